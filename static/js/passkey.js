// Adds a passkey, or asks for one. The page's elements say which; without JavaScript they stay hidden.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

// Told by the server, in words for people.
class Refused extends Error {}

const post = async (box, url, data) => {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value,
    },
    body: JSON.stringify(data),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(answer.detail || box.dataset.failed);
  return answer;
};

const listed = (credentials) => (credentials || []).map((one) => ({ ...one, id: bytes(one.id) }));

const add = async (options) => {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: listed(options.excludeCredentials),
    },
  });
  const { response } = made;
  return {
    response: {
      clientDataJSON: text(response.clientDataJSON),
      attestationObject: text(response.attestationObject),
      transports: response.getTransports ? response.getTransports() : [],
    },
    made,
  };
};

const ask = async (options) => {
  const made = await navigator.credentials.get({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: listed(options.allowCredentials),
    },
  });
  const { response } = made;
  return {
    response: {
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
      userHandle: response.userHandle ? text(response.userHandle) : null,
    },
    made,
  };
};

const run = async (box) => {
  const options = await post(box, box.dataset.begin, {});
  const { response, made } = await (box.dataset.what === "add" ? add(options) : ask(options));
  const answer = await post(box, box.dataset.complete, {
    id: made.id,
    rawId: text(made.rawId),
    type: made.type,
    authenticatorAttachment: made.authenticatorAttachment,
    clientExtensionResults: made.getClientExtensionResults(),
    response,
  });
  // The second form holds what was being done, perhaps with a field that is called "submit".
  const form = document.getElementById(answer.first ? "codes-form" : "again-form");
  if (form) {
    HTMLFormElement.prototype.submit.call(form);
  } else {
    window.location.assign(answer.redirect_url || window.location.href);
  }
};

const box = document.getElementById("passkey");
if (box && window.PublicKeyCredential) {
  box.hidden = false;
  const button = box.querySelector("button");
  const says = box.querySelector("[role=alert]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    says.hidden = true;
    try {
      await run(box);
    } catch (error) {
      // The browser's own words, for "cancelled" or for no connection, are of no help.
      if (error instanceof Refused) says.textContent = error.message;
      else says.textContent = error instanceof DOMException ? box.dataset.cancelled : box.dataset.failed;
      says.hidden = false;
      button.disabled = false;
    }
  });
}
