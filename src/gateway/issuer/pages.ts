// The few pages of the embedded issuer: server-rendered, without scripts, usable with a keyboard and a screen reader.
// Refuses to know: who may log in.

import { createHash } from 'node:crypto';

const STYLE = `
:root{color-scheme:light dark;--line:#8886;--accent:#2456c6;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--accent:#8ab0ff;--bad:#ff8a80}}
*{box-sizing:border-box}
body{font:1rem/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem}
main{width:100%;max-width:24rem}
h1{font-size:1.4rem;margin:0 0 .75rem}
label{display:block;font-weight:600;margin-top:.75rem}
input{font:inherit;width:100%;padding:.6rem;border:1px solid var(--line);border-radius:.4rem;margin-top:.25rem}
input.code,.code{font-family:ui-monospace,monospace;font-size:1.5rem;letter-spacing:.15em;text-align:center}
input.code{text-transform:uppercase}
p.code{border:1px solid var(--line);border-radius:.4rem;padding:.5rem;margin:.75rem 0}
button{font:inherit;font-weight:600;width:100%;padding:.65rem;margin-top:1rem;border-radius:.4rem;cursor:pointer;
border:1px solid var(--accent);background:var(--accent);color:Canvas}
button.quiet{background:none;color:inherit;border-color:var(--line)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.problem{color:var(--bad);font-weight:600}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem .75rem;margin:.75rem 0}dt{opacity:.75}dd{margin:0}
`;

/** No script, no frame, nothing from elsewhere. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; ` +
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
};

function page(title: string, body: string): string {
  return (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    `<title>${escapeHtml(title)} · hoopctl</title><style>${STYLE}</style></head>` +
    `<body><main><h1>${escapeHtml(title)}</h1>${body}</main></body></html>`
  );
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function problemText(problem: string | undefined): string {
  return problem === undefined ? '' : `<p class="problem" role="alert" id="problem">${escapeHtml(problem)}</p>`;
}

export interface DeviceForm {
  readonly action: string;
  readonly xsrf: string;
}

/** Where the code that the terminal shows is typed. */
export function codePage(form: DeviceForm, code: string | undefined, problem?: string): string {
  return page(
    'Log in to hoopctl',
    `${problemText(problem)}<p>Enter the code that your terminal shows.</p>
<form method="post" action="${escapeHtml(form.action)}">
<input type="hidden" name="xsrf" value="${escapeHtml(form.xsrf)}">
<label for="user_code">Code</label>
<input class="code" id="user_code" name="user_code" value="${escapeHtml(code ?? '')}" required autofocus
 autocomplete="off" autocapitalize="characters" spellcheck="false"${problem === undefined ? '' : ' aria-describedby="problem" aria-invalid="true"'}>
<button type="submit">Continue</button></form>`,
  );
}

/** Asks whether the code is the one on the user's own terminal (RFC 8628 §5.4: against a code that somebody else sent). */
export function confirmPage(form: DeviceForm, code: string, device: Readonly<Record<string, string>>): string {
  const facts = Object.entries(device)
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('');
  const hidden =
    `<input type="hidden" name="xsrf" value="${escapeHtml(form.xsrf)}">` +
    `<input type="hidden" name="user_code" value="${escapeHtml(code)}">`;
  return page(
    'Is this your terminal?',
    `<p>A terminal asks to act as you. Continue only if it is yours and shows this code:</p>
<p class="code">${escapeHtml(code)}</p>${facts === '' ? '' : `<dl>${facts}</dl>`}
<form method="post" action="${escapeHtml(form.action)}">${hidden}
<input type="hidden" name="confirm" value="yes">
<button type="submit" autofocus>Yes, log it in</button>
<button class="quiet" type="submit" name="abort" value="yes">No, this is not mine</button></form>`,
  );
}

export function loginPage(action: string, user: string | undefined, problem?: string): string {
  const focus = (here: boolean) => (here ? ' autofocus' : '');
  return page(
    'Log in',
    `${problemText(problem)}<form method="post" action="${escapeHtml(action)}">
<label for="login">User</label>
<input id="login" name="login" value="${escapeHtml(user ?? '')}" required${focus(user === undefined)} autocomplete="username"
 autocapitalize="none" spellcheck="false">
<label for="password">Password</label>
<input id="password" name="password" type="password" required${focus(user !== undefined)} autocomplete="current-password">
<button type="submit">Log in</button></form>`,
  );
}

export function donePage(): string {
  return page('You are logged in', '<p>Close this page and go back to your terminal.</p>');
}

export function refusedPage(): string {
  return page('The login was refused', '<p>Nobody was logged in. You can close this page.</p>');
}

export function errorPage(what: string): string {
  return page(
    'That did not work',
    `<p role="alert">${escapeHtml(what)}</p><p>Start again with <code>hoopctl login</code>.</p>`,
  );
}
