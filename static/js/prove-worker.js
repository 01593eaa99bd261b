// ALTCHA, version 1: finds the number for which the hash of salt and number is the challenge; null if there is none.
const AT_ONCE = 64;

onmessage = async ({ data: { algorithm, challenge, maxnumber, salt } }) => {
  const encoder = new TextEncoder();
  const wanted = challenge.match(/../g).map((byte) => parseInt(byte, 16));
  const isIt = async (number) => {
    const found = new Uint8Array(await crypto.subtle.digest(algorithm, encoder.encode(salt + number)));
    return wanted.every((byte, place) => byte === found[place]);
  };
  for (let first = 0; first <= maxnumber; first += AT_ONCE) {
    const tried = await Promise.all(Array.from({ length: AT_ONCE }, (_, more) => isIt(first + more)));
    const place = tried.indexOf(true);
    if (place >= 0) return postMessage(first + place);
  }
  postMessage(null);
};
