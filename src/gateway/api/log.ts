// The gateway's log over HTTPS: its files as C2SP tlog-tiles has them, receipts, cosignatures, the change of its key.

import { z } from 'zod';
import { userError } from '../../core/errors.ts';
import { displayName } from '../../session/identity/principal.ts';
import { parseCheckpoint } from '../../session/log/checkpoint.ts';
import { parseVkey, signatureBy } from '../../session/log/note.ts';
import { findSealed, isCosigned, proveEntry, receiptOf } from '../../session/log/receipts.ts';
import type { Parts } from '../parts.ts';
import { type Route, route } from './route.ts';
import { visible } from './sessions.ts';
import { idParams, okShape } from './shapes.ts';

const base = { tag: 'log' } as const;
const BYTES = 'application/octet-stream';

/** How long a receipt waits for the checkpoint that covers its entry. */
const CHECKPOINT_WAIT_MS = 10_000;

/** What may be fetched: nothing but the log's own resources. */
const RESOURCE =
  /^(checkpoint|witnessed|tile\/(\d{1,2}|entries)\/(x\d{3}\/)*\d{3}(\.p\/\d{1,3})?|blob\/sha256\/[0-9a-f]{64})$/;

export function logRoutes(parts: Parts): Route[] {
  return [
    route({
      ...base,
      method: 'get',
      path: '/log/:path{.+}',
      summary: "The log's files: checkpoint, tile/…, blob/… (C2SP tlog-tiles).",
      auth: 'auditor',
      params: z.object({ path: z.string() }),
      answer: { stream: BYTES },
      async handle({ params }) {
        // The log's name is the URL of its files, without the scheme: the gateway's own part of it may be there.
        const own = parts.audit.origin.replace(/^[^/]*\/log\//, '');
        const path = params.path.startsWith(`${own}/`) ? params.path.slice(own.length + 1) : params.path;
        const bytes = RESOURCE.test(path) ? await parts.audit.files.get(path) : undefined;
        if (bytes === undefined) throw userError('not_found', `the log has no "${path.slice(0, 100)}"`);
        const text = path === 'checkpoint' || path === 'witnessed';
        return { contentType: text ? 'text/plain; charset=utf-8' : BYTES, lines: once(bytes) };
      },
    }),
    route({
      ...base,
      method: 'get',
      path: '/api/v1/log',
      summary: "The log's name and keys, and how far it has come.",
      auth: 'token',
      answer: z.object({
        origin: z.string(),
        vkeys: z.array(z.string()).describe('Oldest first; the last one signs.'),
        entries: z.int(),
        signed: z.int().describe('Entries that the newest checkpoint covers.'),
      }),
      async handle() {
        const { origin, vkeys, size, checkpointed } = parts.audit;
        return { origin, vkeys: [...vkeys], entries: size, signed: checkpointed };
      },
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/log/cosignatures',
      summary: 'A checkpoint with the cosignature of a configured witness.',
      auth: 'auditor',
      body: z.strictObject({ note: z.string().max(65_536) }),
      answer: okShape,
      async handle({ body, caller }) {
        const { witnesses } = parts.configuration();
        const keys = parts.audit.vkeys.map((one) => parseVkey(one)!);
        if (!isCosigned(body.note, keys, witnesses)) {
          throw userError(
            'usage',
            "this is no checkpoint of this gateway's log with a cosignature of a configured witness",
            {
              fix: "name the witness's key in the configuration: log: { witnesses: [VKEY] }",
            },
          );
        }
        const { size } = parseCheckpoint(body.note)!;
        const kept = parseCheckpoint((await parts.audit.files.get('witnessed')) ?? '');
        if (kept !== undefined && kept.size > size) {
          throw userError('conflict', `a cosigned checkpoint of ${kept.size} entries is kept, this one is of ${size}`);
        }
        await parts.audit.keepCosigned(body.note);
        parts.audit.append('admin', { what: 'checkpoint cosigned', size, by: displayName(caller.principal) });
        return { ok: true as const };
      },
    }),
    route({
      ...base,
      method: 'post',
      path: '/api/v1/log/rotate',
      summary: "A new signing key for the log; the old one vouches for it in the log's own entry.",
      auth: 'admin',
      answer: z.object({ vkey: z.string() }),
      async handle({ caller }) {
        parts.audit.append('admin', { what: 'log key rotated', by: displayName(caller.principal) });
        await parts.audit.rotateKey();
        return { vkey: parts.audit.vkeys.at(-1)! };
      },
    }),
    receipt(parts),
  ];
}

function receipt(parts: Parts): Route {
  return route({
    ...base,
    method: 'get',
    path: '/api/v1/sessions/:id/receipt',
    summary: 'What was sealed of a session, with the proof that the log says so.',
    auth: 'token',
    params: idParams,
    answer: z.object({
      receipt: z.literal(1),
      session: z.string(),
      digest: z.string(),
      lines: z.int(),
      origin: z.string(),
      vkey: z.string(),
      vouched: z
        .array(z.string())
        .optional()
        .describe('How keys before it vouched for it: signed notes, oldest first.'),
      index: z.int(),
      proof: z.string().describe('C2SP tlog-proof.'),
    }),
    async handle(call) {
      const session = await visible(parts, call);
      if (session.state === 'open' || session.digest === undefined) {
        throw userError(
          'conflict',
          `session "${session.id}" has no receipt: it is ${session.state === 'open' ? 'still open' : 'not sealed'}`,
        );
      }
      const log = parts.audit;
      const entry = await findSealed(log, session.id, session.endedAt ?? session.startedAt);
      if (entry === undefined) throw userError('not_found', `the log does not name the recording of "${session.id}"`);
      if (entry.index >= log.checkpointed) {
        const late = new Promise<void>((done) => setTimeout(done, CHECKPOINT_WAIT_MS).unref());
        await Promise.race([log.covered(entry.index + 1), late]);
      }
      const { proof } = await proveEntry(log.files, entry.index);
      return receiptOf(entry, proof, log.origin, signerOf(log.vkeys, proof), log.vouched);
    },
  });
}

/** The vkey whose signature is on the proof's checkpoint. */
function signerOf(vkeys: readonly string[], proof: string): string {
  const checkpoint = parseCheckpoint(proof.slice(proof.indexOf('\n\n') + 2))!;
  return vkeys.findLast((vkey) => signatureBy(checkpoint.note, parseVkey(vkey)!) === 'valid')!;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
