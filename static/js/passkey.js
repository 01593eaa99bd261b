// Adds a passkey, or asks for one. The page's elements say which; without JavaScript they stay hidden.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

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
  if (!response.ok) throw new Error(answer.detail || box.dataset.failed);
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
  if (answer.first) {
    document.getElementById("codes-form").submit();
  } else if (document.getElementById("again-form")) {
    // It holds what was being done.
    document.getElementById("again-form").submit();
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
      // The browser's own words for "cancelled" are long and of no help.
      says.textContent = error instanceof DOMException ? box.dataset.cancelled : error.message;
      says.hidden = false;
      button.disabled = false;
    }
  });
}
