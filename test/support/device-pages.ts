// Plays the user's browser: follows redirects with a cookie jar, fills in forms and submits them. No JavaScript.
// Refuses to know: whose pages they are; a form's fields are recognised by their names.

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface Page {
  url: URL;
  status: number;
  body: string;
}

export interface Form {
  action: URL;
  method: string;
  fields: Record<string, string>;
  /** Names of all its inputs, buttons included, with their types. */
  inputs: Record<string, string>;
}

const ENTITIES: Record<string, string> = {
  amp: '&',
  quot: '"',
  lt: '<',
  gt: '>',
  '#39': "'",
  '#x27': "'",
  '#x2F': '/',
};

function unescapeHtml(text: string): string {
  return text.replace(/&(amp|quot|lt|gt|#39|#x27|#x2F);/g, (_, name: string) => ENTITIES[name] ?? '');
}

function attributes(tag: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name, quoted, single, bare] of tag.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g)) {
    if (name !== undefined) found[name.toLowerCase()] = unescapeHtml(quoted ?? single ?? bare ?? '');
  }
  return found;
}

/** The forms of a page. */
export function forms(page: Page): Form[] {
  return [...page.body.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, head = '', inside = '']) => {
    const { action = '', method = 'get' } = attributes(head);
    const form: Form = {
      action: new URL(action || page.url.href, page.url),
      method: method.toLowerCase(),
      fields: {},
      inputs: {},
    };
    for (const [, kind = '', tag = ''] of inside.matchAll(/<(input|button)\b([^>]*)>/gi)) {
      const { name, type = kind === 'button' ? 'submit' : 'text', value = '', checked } = attributes(tag);
      if (name === undefined || name === '') continue;
      form.inputs[name] = type.toLowerCase();
      // A submit button's value is sent only when it is the one pressed; a box's only when it is ticked.
      if (type === 'submit' || (type === 'checkbox' && checked === undefined)) continue;
      form.fields[name] = value;
    }
    return form;
  });
}

export class Browser {
  readonly #ca: string | undefined;
  readonly #jar = new Map<string, Map<string, string>>();
  /** Every page that was shown, in order. */
  readonly history: Page[] = [];

  constructor(options: { ca?: string } = {}) {
    this.#ca = options.ca;
  }

  async open(url: string | URL): Promise<Page> {
    return this.#go(new URL(url), 'GET', undefined);
  }

  /** Submits a form with these values in place of its own. */
  async submit(form: Form, values: Record<string, string> = {}): Promise<Page> {
    const body = new URLSearchParams({ ...form.fields, ...values });
    if (form.method === 'post') return this.#go(form.action, 'POST', body.toString());
    const url = new URL(form.action);
    for (const [name, value] of body) url.searchParams.set(name, value);
    return this.#go(url, 'GET', undefined);
  }

  async #go(url: URL, method: string, body: string | undefined): Promise<Page> {
    let at = url;
    let how = method;
    let content = body;
    for (let hops = 0; hops < 20; hops++) {
      const answer = await this.#send(at, how, content);
      const jar = this.#cookies(at);
      for (const line of answer.cookies) {
        const [pair = ''] = line.split(';');
        const cut = pair.indexOf('=');
        const expired = /;\s*expires=Thu, 01 Jan 1970/i.test(line) || /;\s*max-age=0/i.test(line);
        if (expired) jar.delete(pair.slice(0, cut));
        else jar.set(pair.slice(0, cut), pair.slice(cut + 1));
      }
      if (answer.location === undefined) {
        const page = { url: at, status: answer.status, body: answer.body };
        this.history.push(page);
        return page;
      }
      at = new URL(answer.location, at);
      how = 'GET';
      content = undefined;
    }
    throw new Error(`more than 20 redirects from ${url.href}`);
  }

  #cookies(url: URL): Map<string, string> {
    const jar = this.#jar.get(url.host) ?? new Map<string, string>();
    this.#jar.set(url.host, jar);
    return jar;
  }

  async #send(url: URL, method: string, body: string | undefined) {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const cookie = [...this.#cookies(url)].map(([name, value]) => `${name}=${value}`).join('; ');
    return new Promise<{ status: number; body: string; location: string | undefined; cookies: string[] }>(
      (resolve, reject) => {
        const request = send(
          url,
          {
            method,
            agent: false,
            ...(this.#ca === undefined ? {} : { ca: this.#ca }),
            headers: {
              accept: 'text/html',
              ...(cookie === '' ? {} : { cookie }),
              ...(body === undefined
                ? {}
                : { 'content-type': 'application/x-www-form-urlencoded', origin: url.origin }),
            },
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('error', reject);
            response.on('end', () =>
              resolve({
                status: response.statusCode ?? 0,
                body: Buffer.concat(chunks).toString(),
                location: response.headers.location,
                cookies: response.headers['set-cookie'] ?? [],
              }),
            );
          },
        );
        request.on('error', reject);
        request.end(body);
      },
    );
  }
}

export interface Person {
  name: string;
  password: string;
}

/** What a page says, without its style. */
export function textOf(page: Page): string {
  return page.body
    .replace(/<style>[\s\S]*?<\/style>/g, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/**
 * Walks a device flow's pages to their end as that person would: confirm the code, log in, consent. Returns the last
 * page. With `answer: 'abort'` the person presses the button that refuses; `code` is typed where the address has none.
 */
export async function confirmDevice(
  browser: Browser,
  verificationUri: string,
  person: Person,
  { code = '', answer = 'confirm' }: { code?: string; answer?: 'confirm' | 'abort' } = {},
): Promise<Page> {
  let page = await browser.open(verificationUri);
  for (let step = 0; step < 12; step++) {
    const form = forms(page).find((one) => one.method === 'post');
    if (form === undefined) return page;
    const values: Record<string, string> = {};
    let login = false;
    for (const [name, type] of Object.entries(form.inputs)) {
      if (type === 'password') {
        values[name] = person.password;
        login = true;
      } else if (name === 'user_code' && type !== 'hidden' && code !== '') values[name] = code;
      else if (/^(login|username|user|name|email|account)$/i.test(name)) values[name] = person.name;
    }
    const refuses = Object.keys(form.inputs).find((name) => /^(abort|cancel|deny)$/i.test(name));
    if (answer === 'abort' && refuses !== undefined && !login) values[refuses] = 'yes';
    page = await browser.submit(form, values);
    // A form that comes back unchanged was not accepted: a wrong password, a code that is not known.
    if (login && forms(page).some((one) => Object.values(one.inputs).includes('password'))) return page;
  }
  throw new Error(`the pages from ${verificationUri} never end; the last one:\n${textOf(page)}`);
}
