// Has a worker solve the challenge, then sends the form. If that cannot be done, the button beside it still can.
const form = document.getElementById("prove");
const working = form.querySelector("[data-working]");
const without = form.querySelector("[data-without]");
// The only address that a script of ours runs from: the page's policy knows this name alone (config/settings.py).
const trusted = window.trustedTypes?.createPolicy("worker", { createScriptURL: (address) => address });

function address() {
  return trusted ? trusted.createScriptURL(form.dataset.worker) : form.dataset.worker;
}

function start() {
  const challenge = JSON.parse(form.dataset.challenge);
  const worker = new Worker(address());
  worker.onmessage = ({ data: number }) => {
    if (number === null) return stop();
    const { algorithm, challenge: hash, salt, signature } = challenge;
    form.elements.altcha.value = btoa(JSON.stringify({ algorithm, challenge: hash, number, salt, signature }));
    form.submit();
  };
  worker.onerror = stop;
  worker.postMessage(challenge);
  working.hidden = false;
  without.hidden = true;
}

function stop() {
  working.hidden = true;
  without.hidden = false;
}

// Browsers hash only on pages that came encrypted, or from this machine.
if (window.Worker && window.isSecureContext) start();
