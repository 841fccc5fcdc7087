// Which credentials and secrets this gateway cannot find, by their references, and which issuers do not answer it: for admins.

import { z } from 'zod';
import { formatPath, type Path } from '../../config/problem.ts';
import { missingCredentials, missingSecrets } from '../credentials.ts';
import type { Parts } from '../parts.ts';
import { type Route, route } from './route.ts';

const where = z.string().describe('In the configuration.');
const lacking = { where, reference: z.string(), why: z.string(), fix: z.string() };

function written<T extends { readonly path: Path }>({ path, ...one }: T): Omit<T, 'path'> & { where: string } {
  return { ...one, where: formatPath(path) };
}

export function credentialRoutes(parts: Parts): Route[] {
  return [
    route({
      tag: 'admin',
      auth: 'admin',
      method: 'get',
      path: '/api/v1/admin/credentials',
      summary: 'Credentials and secrets that are not there (commands are not run), issuers that do not answer.',
      answer: z.object({
        missing: z.array(z.object({ connection: z.string(), ...lacking })),
        secrets: z.array(z.object({ ...lacking, stops: z.string().describe('What does not work without.') })),
        issuers: z.array(z.object({ name: z.string(), where, error: z.string(), fix: z.string() })),
      }),
      handle: async () => {
        const configuration = parts.configuration();
        const [missing, secrets, issuers] = await Promise.all([
          missingCredentials(configuration, parts.credentials),
          missingSecrets(configuration, parts.credentials),
          parts.unansweredIssuers(),
        ]);
        return { missing: missing.map(written), secrets: secrets.map(written), issuers: issuers.map(written) };
      },
    }),
  ];
}
