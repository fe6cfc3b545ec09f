/** A form that a passkey answers. The script is a file of ours: no page has one in it, and their policy takes no other. */
import { Html, html } from "../base/page.ts";
import type { Question } from "../identity/webauthn.ts";

export const SCRIPT_PATH = "/auth/passkey.js";

export const SCRIPT = `const form = document.querySelector("form[data-passkey]");
const said = document.querySelector("[role=status]");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const options = JSON.parse(form.dataset.options);
    const isNew = form.dataset.passkey === "new";
    const publicKey = isNew
      ? PublicKeyCredential.parseCreationOptionsFromJSON(options)
      : PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const answer = await (isNew ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
    form.elements.namedItem("answer").value = JSON.stringify(answer.toJSON());
    form.submit();
  } catch (error) {
    said.textContent =
      typeof PublicKeyCredential === "undefined" || !PublicKeyCredential.parseRequestOptionsFromJSON
        ? "This browser cannot do that. Use a newer one."
        : error.name === "InvalidStateError"
          ? "This device has a passkey of yours here already."
          : "Nothing was shown. Reload the page and try once more.";
  }
});
`;

/** Not within a tagged template: a bundler rewrites one that ends a script, and asks for a library to do so. */
const LOADED = new Html(`<script src="${SCRIPT_PATH}"></script>`);

export const passkeyForm = (
  kind: "new" | "known",
  action: string,
  { options }: Question,
  inside: Html,
): Html => html`<form method="post" action="${action}" data-passkey="${kind}" data-options="${JSON.stringify(options)}"><input type="hidden" name="answer">${inside}</form>
<p role="status"></p>${LOADED}`;
