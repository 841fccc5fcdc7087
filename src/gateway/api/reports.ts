// Evidence reports: made by the gateway from its own record, put on record, given to an auditor piece by piece. The log and
// the recordings of the bundle are fetched as anybody fetches them. Refuses to know: what is in a report.

import { z } from 'zod';
import { userError } from '../../core/errors.ts';
import { displayName } from '../../session/identity/principal.ts';
import { CONTROL_IDS } from '../../session/report/controls.ts';
import type { Parts } from '../parts.ts';
import type { ReportStep } from '../report/reports.ts';
import { requireReason } from './reading.ts';
import { type Route, route } from './route.ts';

export function reportRoutes(parts: Parts): Route[] {
  return [
    route({
      tag: 'audit',
      auth: 'auditor',
      method: 'post',
      path: '/api/v1/audit/report',
      summary:
        'An evidence report, as JSON Lines: {sessions} read so far, {file, text}, and last {entry, bundle, recordings}.',
      body: z.strictObject({
        controls: z.array(z.enum(CONTROL_IDS)).min(1),
        from: z.iso.datetime(),
        to: z.iso.datetime().describe('Not included.'),
        seed: z.string().min(1).max(200).describe('Decides which sessions are sampled.'),
        sample: z.int().min(0).max(1000).default(25),
        rows: z.int().min(1).max(10_000).default(200).describe('That a table lists at most.'),
      }),
      answer: { stream: 'application/x-ndjson' },
      async handle({ body, caller, reason }) {
        requireReason(parts, { caller, reason });
        const request = { ...body, from: Date.parse(body.from), to: Date.parse(body.to) };
        if (request.from >= request.to) throw userError('usage', 'from is not before to');
        const steps = parts.reports.make(request, { by: displayName(caller.principal), reason });
        return { contentType: 'application/x-ndjson', lines: await begun(steps) };
      },
    }),
  ];
}

/** With the first step taken: what is wrong from the beginning is an answer of its own. */
async function begun(steps: AsyncGenerator<ReportStep>): Promise<AsyncGenerator<string>> {
  const first = await steps.next();
  async function* lines(): AsyncGenerator<string> {
    try {
      for (let step = first; step.done !== true; step = await steps.next()) yield* told(step.value);
    } finally {
      await steps.return(undefined);
    }
  }
  return lines();
}

function* told(step: ReportStep): Generator<string> {
  if ('sessions' in step) {
    yield `${JSON.stringify(step)}\n`;
    return;
  }
  const { files, digest, sessions } = step.made;
  for (const [file, text] of files) yield `${JSON.stringify({ file, text })}\n`;
  yield `${JSON.stringify({ entry: step.entry, bundle: digest, recordings: sessions })}\n`;
}
