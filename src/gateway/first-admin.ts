// How the first person becomes an admin of a gateway that has nobody yet: the command, as `roles.admin` asks for it.

import { shellWord } from '../core/shell.ts';
import { LOCAL_ISSUER } from '../session/identity/authenticator.ts';
import type { Principal } from '../session/identity/principal.ts';
import { compileWho } from '../session/policy/who.ts';
import type { Configuration } from './configuration.ts';

/** To tell whoever starts it, while the embedded issuer has no users; undefined: none of them could administer. */
export function firstAdmin({ identity, roles }: Pick<Configuration, 'identity' | 'roles'>, data: string) {
  const { admin } = roles;
  const name = part('NAME', admin.subjects);
  const group = admin.groups && part('GROUP', admin.groups);
  const email = admin.emails && part('EMAIL', admin.emails);
  const principal: Principal = {
    kind: 'person',
    issuer: LOCAL_ISSUER,
    subject: name.sample,
    groups: group === undefined ? [] : [group.sample],
    ...(email === undefined ? {} : { email: email.sample }),
    claims: {},
  };
  const alone = identity.issuers.length === 0;
  const lead = alone ? 'nobody can log in yet' : 'the embedded issuer has no users yet';
  const add = 'hoopctl admin users add';
  const at = `--data ${shellWord(data)}`;
  if (!compileWho(admin)(principal)) {
    if (!alone) return undefined;
    return `${lead}, and none of the gateway's own users can be what roles.admin asks for; add others: ${add} NAME ${at}`;
  }
  const options = [group && `--group ${group.shown}`, email && `--email ${email.shown}`].filter(Boolean);
  const fits = [name, group, email].flatMap((one) => one?.fits ?? []);
  const where = fits.length === 0 ? '' : `, where roles.admin asks for ${fits.join(', ')}`;
  return `${lead}; make the first admin: ${[add, name.shown, ...options, at].join(' ')}${where}`;
}

interface Part {
  readonly shown: string;
  readonly sample: string;
  /** What has to be put in its place. */
  readonly fits?: string;
}

/** The first of the patterns that is a plain word, or what stands for one that fits. */
function part(placeholder: string, patterns: readonly string[] = []): Part {
  const plain = patterns.find((one) => !/[*?]/.test(one));
  if (plain !== undefined) return { shown: shellWord(plain), sample: plain };
  const [pattern] = patterns;
  if (pattern === undefined) return { shown: placeholder, sample: placeholder };
  return { shown: placeholder, sample: pattern.replace(/[*?]/g, 'x'), fits: `${placeholder} like ${pattern}` };
}
