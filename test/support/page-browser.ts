// A browser without scripts: follows redirects, keeps cookies, submits forms. Enough to log in on the issuer's pages.

import { Agent, fetch } from 'undici';

export interface Page {
  readonly status: number;
  readonly url: string;
  readonly html: string;
  readonly headers: Headers;
}

export class Browser {
  readonly #cookies = new Map<string, { value: string; path: string }>();
  readonly #agent: Agent;

  constructor(ca: string) {
    this.#agent = new Agent({ connect: { ca } });
  }

  get(url: string): Promise<Page> {
    return this.#go(url, {});
  }

  /** Submits the page's nth form with its hidden fields and these. */
  submit(page: Page, fields: Readonly<Record<string, string>>, nth = 0): Promise<Page> {
    const form = [...page.html.matchAll(/<form[^>]*action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)][nth];
    if (form === undefined) throw new Error(`no form ${nth} on ${page.url}: ${page.html}`);
    const body = new URLSearchParams();
    for (const [, name, value] of form[2]!.matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)) {
      body.set(name!, value!);
    }
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return this.#go(new URL(form[1]!.replaceAll('&#47;', '/'), page.url).href, {
      method: 'POST',
      body: body.toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  async #go(url: string, init: { method?: string; body?: string; headers?: Record<string, string> }): Promise<Page> {
    const { pathname } = new URL(url);
    const cookie = [...this.#cookies]
      .filter(([, { path }]) => pathname.startsWith(path))
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ');
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      dispatcher: this.#agent,
      headers: { accept: 'text/html', ...init.headers, ...(cookie === '' ? {} : { cookie }) },
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split('; ');
      const [name, value] = [pair!.slice(0, pair!.indexOf('=')), pair!.slice(pair!.indexOf('=') + 1)];
      const path = attributes.find((one) => one.toLowerCase().startsWith('path='))?.slice(5) ?? '/';
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, { value, path });
    }
    const location = response.headers.get('location');
    if (location !== null && response.status >= 300 && response.status < 400) {
      await response.text();
      return this.#go(new URL(location, url).href, {});
    }
    return {
      status: response.status,
      url,
      html: await response.text(),
      headers: response.headers as unknown as Headers,
    };
  }
}
