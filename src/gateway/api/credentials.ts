// Which credentials of connections this gateway cannot find: by their references, for admins.

import { z } from 'zod';
import { formatPath } from '../../config/problem.ts';
import { missingCredentials } from '../credentials.ts';
import type { Parts } from '../parts.ts';
import { type Route, route } from './route.ts';

export function credentialRoutes(parts: Parts): Route[] {
  return [
    route({
      tag: 'admin',
      auth: 'admin',
      method: 'get',
      path: '/api/v1/admin/credentials',
      summary: 'Credentials of connections that are not there; commands are not run.',
      answer: z.object({
        missing: z.array(
          z.object({
            connection: z.string(),
            where: z.string().describe('In the configuration.'),
            reference: z.string(),
            why: z.string(),
            fix: z.string(),
          }),
        ),
      }),
      handle: async () => ({
        missing: (await missingCredentials(parts.configuration(), parts.credentials)).map(({ path, ...one }) => ({
          ...one,
          where: formatPath(path),
        })),
      }),
    }),
  ];
}
