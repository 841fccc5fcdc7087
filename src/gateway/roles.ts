// Who has the gateway's own roles, by the configuration in force.

import { compileWho } from '../session/policy/who.ts';
import type { Role } from './api/route.ts';
import type { Configuration } from './configuration.ts';
import type { Parts } from './parts.ts';

export function rolesOf(configuration: () => Configuration): Parts['roles'] {
  let made: { from: Configuration; is: Record<Role, ReturnType<typeof compileWho>> } | undefined;
  return (principal) => {
    const from = configuration();
    if (made?.from !== from) {
      made = { from, is: { admin: compileWho(from.roles.admin), auditor: compileWho(from.roles.auditor) } };
    }
    const { is } = made;
    // An agent that acts for an administrator does not administer.
    const admin = principal.kind !== 'agent' && is.admin(principal);
    return [...(admin ? (['admin'] as const) : []), ...(is.auditor(principal) ? (['auditor'] as const) : [])];
  };
}
