/** What the demo's identity provider shows. It says on every page what it is. */
import { Html, html, pageOf, pagePolicy } from "../base/page.ts";
import { NEWCOMER, PEOPLE } from "./people.ts";

// A form here leads back to Tidegate, whose address is another.
const POLICY = pagePolicy(null);
export const PAGE_HEADERS = { "content-security-policy": POLICY, "content-type": "text/html; charset=utf-8" };

const WHAT = html`<p class="said">This is the identity provider of Tidegate's demo, on this machine alone. It asks for no passwords.</p>`;

export const providerPage = (title: string, body: Html): string =>
  pageOf(title, html`${WHAT}${body}`, "Tidegate's demo");

/** `signedInAs`: who this browser is here already. */
export function choicePage(action: string, signedInAs: string | null): string {
  const choices = [...PEOPLE, NEWCOMER].map(
    ({ handle, name, about }) =>
      html`<button class="go" name="person" value="${handle}">${name}<small>${about}</small></button>`,
  );
  const leave = html`<p>You are ${signedInAs ?? ""} here. <a href="/session/end">Sign out</a>: Tidegate is told, and ends the session there.</p>`;
  return providerPage(
    "Who are you?",
    html`<form method="post" action="${action}">${choices}</form>${signedInAs === null ? "" : leave}`,
  );
}

export const homePage = (tidegateUrl: string): string =>
  providerPage(
    "Identity provider",
    html`<p>It speaks OpenID Connect, as those of companies do.</p>
<a class="go" href="${tidegateUrl}/auth/sign-in">Sign in to Tidegate</a><p><a href="/session/end">Sign out here</a></p>`,
  );

/** The form for a code that a device shows, as the library makes it, but for its script; `wrong`: the last code was none. */
export const codePage = (form: string, wrong: boolean): string =>
  providerPage(
    "Sign in a device",
    html`${wrong ? html`<p role="alert">There is no such code, or it is over. Look at it again.</p>` : ""}
<p><label for="code">The code that your device shows</label></p>
${new Html(form.replace(/ onfocus="[^"]*"/, "").replace('type="text"', 'type="text" id="code"'))}
<p><button form="op.deviceInputForm">Go on</button></p>`,
  );

export const confirmPage = (form: string, code: string): string =>
  providerPage(
    "Is this your device?",
    html`<p>Go on only if it shows this code, and you began to sign in there:</p><p><strong>${code}</strong></p>
${new Html(form)}<p><button form="op.deviceConfirmForm">Go on</button> <button form="op.deviceConfirmForm" name="abort" value="yes">It is not mine</button></p>`,
  );

export const leavePage = (form: string): string =>
  providerPage(
    "Sign out?",
    html`<p>Tidegate is told, and ends your session there.</p>
${new Html(form)}<p><button form="op.logoutForm" name="logout" value="yes">Sign out</button> <button form="op.logoutForm">Stay signed in</button></p>`,
  );

export const failedPage = (code: string, detail: string): string =>
  providerPage(
    "That did not work",
    html`<p>${detail}</p><p><small>${code}</small></p><p>Go back to where you came from, and begin again.</p>`,
  );
