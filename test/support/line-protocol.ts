// A protocol small enough to be seen through: one line is one operation, forwarded when it is allowed. For tests of what
// stands around a protocol.

import { z } from 'zod';
import { asHoopctlError, peerError } from '../../src/core/errors.ts';
import type { ByteStream } from '../../src/core/stream.ts';
import type { Facts, Protocol, Session, Upstream, Visitor } from '../../src/protocol/contract.ts';

interface Config {
  target: { host: string; port: number };
  credentials: { user: string; password?: string };
}

const facts = (line: string): Facts => ({
  does: [line.split(' ')[0]!],
  relations: [],
  functions: [],
  unbounded: false,
});

/** `drop x` does `drop`. Natively: `STARTTLS`, then `LOGIN user connection secret`, each a line. */
export const lines: Protocol<Config> = {
  name: 'lines',
  vocabulary: {
    does: { say: 'says', drop: 'drops' },
    objects: [],
    opaque: [],
    dangerous: { functions: [], does: [], objects: [] },
  },
  schema: z.strictObject({
    target: z.strictObject({ host: z.string(), port: z.int() }),
    credentials: z.strictObject({ user: z.string(), password: z.string().optional() }),
  }),
  capabilities: () => ({ mask: false, hold: true, notify: true, refuse: true, inspect: true }),
  coverage: () => ['every line is inspected'],
  describe: ({ credentials }) => ({ user: credentials.user }),
  local: (connection, _described, host, port) => ({
    environment: {},
    url: `lines://${host}:${port}/${connection}`,
    facts: {},
  }),
  native: ({ connection, user, host, port }) => ({
    facts: { user, room: connection },
    example: `lines ${host} ${port}`,
  }),
  analyse: async ({ text }) => ({ text, parts: [facts(text)] }),
  serve,
};

async function serve(visitor: Visitor): Promise<void> {
  let { stream } = visitor;
  const login = { user: '', connection: '', secret: '' };
  if (visitor.via === 'native') {
    const first = await oneLine(stream);
    if (first.line !== 'STARTTLS') return stream.destroy();
    // The client did not wait for an answer: its handshake may have come with the line.
    stream = await visitor.startTls!({ preread: first.rest });
    const [word, user = '', connection = '', secret = ''] = (await oneLine(stream)).line.split(' ');
    if (word !== 'LOGIN') return stream.destroy();
    Object.assign(login, { user, connection, secret });
  }
  let session: Session;
  let upstream: Upstream;
  try {
    const opened = await visitor.open(login);
    session = opened.session;
    await opened.target.credentials();
    upstream = await opened.target.dial(session.signal);
  } catch (thrown) {
    stream.write(Buffer.from(`ERROR ${asHoopctlError(thrown).code}\n`));
    stream.end();
    return;
  }
  await converse(stream, session, upstream);
}

function converse(stream: ByteStream, session: Session, upstream: Upstream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const over = (code: 'client_closed' | 'target_closed') => {
    session.end({ code, message: code });
    upstream.destroy();
    resolve();
  };
  session.signal.addEventListener('abort', () => {
    const { code } = session.signal.reason as { code: string };
    stream.write(Buffer.from(`END ${code}\n`));
    stream.end();
    upstream.destroy();
    session.end({ code: 'client_closed', message: 'aborted' });
    resolve();
  });
  let rest = '';
  stream.resume();
  stream.onData = (chunk) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop()!;
    for (const line of parts) operation(line, stream, session, upstream);
  };
  upstream.onData = (chunk) => {
    session.traffic(0, chunk.length);
    stream.write(chunk);
  };
  stream.onEnd = () => over('client_closed');
  stream.onClose = () => over('client_closed');
  upstream.onClose = () => over('target_closed');
  return promise;
}

function operation(line: string, stream: ByteStream, session: Session, upstream: Upstream): void {
  if (line === 'crash') throw new Error('the protocol crashed');
  session.traffic(line.length + 1, 0);
  const { id, decision } = session.decide({ kind: 'line', text: line, exact: '', parts: [facts(line)] });
  if (decision.verdict === 'hold') {
    stream.write(Buffer.from(`HELD ${decision.review}\n`));
    void decision.settled.then((verdict) => {
      if (verdict.verdict === 'allow') session.recorded(() => void upstream.write(Buffer.from(`${line}\n`)));
      else stream.write(Buffer.from(`REFUSED ${verdict.refusal.code}\n`));
    });
    return;
  }
  if (decision.verdict === 'deny') {
    stream.write(Buffer.from(`REFUSED ${decision.refusal.rule}\n`));
    return;
  }
  session.recorded(() => {
    upstream.write(Buffer.from(`${line}\n`));
    session.result(id, { part: 0, status: 'ok' });
  });
}

function oneLine(stream: ByteStream): Promise<{ line: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    stream.onClose = () => reject(peerError('client_gone', 'client went away'));
    stream.onEnd = () => reject(peerError('client_gone', 'client went away'));
    stream.onData = (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf('\n');
      if (end < 0) return;
      stream.onData = undefined;
      stream.pause();
      resolve({ line: bytes.subarray(0, end).toString(), rest: bytes.subarray(end + 1) });
    };
  });
}
