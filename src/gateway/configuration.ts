// A configuration document → everything that the gateway does by it, or every problem with its line and column.
// Refuses to know: where the text comes from, when it is read again (reload.ts).

import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { z } from 'zod';
import { openDocument } from '../config/document.ts';
import { jsonSchema } from '../config/json-schema.ts';
import { formatProblems, type Path, type Problem, sortProblems } from '../config/problem.ts';
import { formatDuration } from '../core/clock.ts';
import { userError } from '../core/errors.ts';
import type { Limit } from '../core/limits.ts';
import type { Protocol, Spoken } from '../protocol/contract.ts';
import { loadProtocol, protocolNames } from '../protocol/index.ts';
import type { RetentionRule } from '../session/custody/retention.ts';
import type { VerifierKey } from '../session/log/note.ts';
import { type CompiledPolicy, compilePolicy } from '../session/policy/compile.ts';
import type { PolicyDocument } from '../session/policy/schema.ts';
import { runTests, type TestResult } from '../session/policy/tests.ts';
import { DEFAULT_RECORDING, type RecordingPolicy } from '../session/recorder/recorder.ts';
import {
  type Address,
  CONNECTION_KEYS,
  type ConnectionCommon,
  documentSchema,
  type GatewayDocument,
} from './document.ts';
import { type ExportConfiguration, withPaths } from './exports/schema.ts';
import type { S3Configuration } from './objects/schema.ts';
import { problemsOf } from './problems.ts';
import { understand } from './spoken.ts';
import type { WebhookConfiguration } from './webhooks/schema.ts';

/** A connection as configured. */
export interface Connection {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly protocol: Protocol;
  /** What the protocol's schema made of its part. */
  readonly config: unknown;
  readonly recording: RecordingPolicy;
  readonly maxAgeMs: number | undefined;
  readonly address: { readonly host: string; readonly port: number; readonly caFile?: string };
  /** As written: literals and references, never resolved here. */
  readonly credentials: Readonly<Record<string, unknown>>;
}

export interface Configuration {
  /** SHA-256 of the text, hex. */
  readonly version: string;
  readonly listen: { readonly gateway: Address | undefined; readonly native: ReadonlyMap<string, Address> };
  readonly publicUrl: string | undefined;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  /** `left`: nobody said whether there is an embedded issuer. */
  readonly identity: GatewayDocument['identity'] & { readonly embedded: boolean; readonly left: boolean };
  /** `postgres`: a reference to its URL. Undefined: embedded. */
  readonly store: { readonly postgres: string } | undefined;
  readonly metrics: GatewayDocument['metrics'];
  readonly roles: PolicyDocument['roles'];
  readonly connections: ReadonlyMap<string, Connection>;
  readonly policy: CompiledPolicy;
  readonly tests: readonly TestResult[];
  /** The tests that fail, at their places in the document. */
  readonly failures: readonly Problem[];
  readonly webhooks: readonly WebhookConfiguration[];
  readonly exports: readonly ExportConfiguration[];
  /** Who may cosign the log's checkpoints. */
  readonly witnesses: readonly VerifierKey[];
  /** Whether entries of the log survive a loss of power when they are taken. */
  readonly logSynced: boolean;
  /** Whether sealed recordings are compressed. */
  readonly compress: boolean;
  /** The object storage that sealed recordings go to. */
  readonly objects: S3Configuration | undefined;
  /** How long recordings are kept. */
  readonly retention: readonly RetentionRule[];
  readonly stopGraceMs: number;
  /** The limit in force: the document's, or the one declared. */
  limit(bound: Limit): Limit;
}

export interface ReadOptions {
  /** For messages, and what relative paths are relative to. */
  readonly file: string;
  readonly directory: string;
  /** Milliseconds since the epoch, for tests of the policy that name no moment. */
  readonly now: number;
  /** The gateway's key for masks; left out in an offline check. */
  readonly maskKey?: Uint8Array;
  /** Left out: every one of the registry. */
  readonly protocols?: readonly Protocol[];
}

export type ReadResult =
  | { readonly configuration: Configuration; readonly problems?: undefined }
  | { readonly problems: readonly Problem[]; readonly configuration?: undefined };

/** Every protocol of the registry, loaded. */
export async function allProtocols(): Promise<readonly Protocol[]> {
  const loaded = await Promise.all(protocolNames().map(loadProtocol));
  return loaded.filter((one) => one !== undefined);
}

/** What `hoopctl policy schema` prints. */
export async function configurationJsonSchema(): Promise<Record<string, unknown>> {
  return jsonSchema(documentSchema(await allProtocols()), 'hoopctl gateway configuration');
}

/**
 * A file without a word in it: what a write begins with, and all that it leaves on a full disk. Taken at its word it would
 * end every session.
 */
export function emptyFile(text: string, file: string): ReadResult | undefined {
  if (!text.split('\n').every((line) => line.trim() === '' || line.trimStart().startsWith('#'))) return undefined;
  const message = 'the file is empty, expected a configuration ({} where it shall say nothing)';
  return { problems: [{ file, line: 1, column: 1, path: '', message }] };
}

/** Reads the text; a failing test of the policy does not count as a problem here (`tests`). */
export async function readConfiguration(written: string, options: ReadOptions): Promise<ReadResult> {
  const protocols = options.protocols ?? (await allProtocols());
  const opened = openDocument(written, options.file);
  if (opened.problems !== undefined) return opened;
  const document = opened.value;
  const checked = document.check(documentSchema(protocols));
  const further = problemsOf(document, protocols, options.directory);
  if (checked.problems !== undefined) return { problems: sortProblems([...checked.problems, ...further]) };
  const value = checked.value as GatewayDocument;
  const problems = [...further];
  const report = (path: Path, message: string) => problems.push(document.problem(path, message));
  checkRetention(value, report);
  checkDefaults(value, report);
  const connections = connectionsOf(value, protocols, options.directory, report);
  const version = createHash('sha256').update(written).digest('hex');
  const compiled = compilePolicy(value, {
    version,
    connections: connections.map((one) => ({
      name: one.name,
      labels: one.labels,
      vocabulary: one.protocol.vocabulary,
      capabilities: one.protocol.capabilities(one.config),
    })),
    ...(options.maskKey === undefined ? {} : { maskKey: options.maskKey }),
  });
  // What compiling finds is among them already, unless it alone finds something.
  if (problems.length === 0) for (const { path, message } of compiled.problems ?? []) report(path, message);
  if (problems.length > 0 || compiled.policy === undefined) return { problems: sortProblems(problems) };
  const byName = new Map(connections.map((one) => [one.name, one]));
  const analyse = (name: string, spoken: Spoken) => understand(byName, name, spoken);
  const tests = await runTests(compiled.policy, value.tests, connections, analyse, options.now);
  const failures = tests
    .filter((one) => !one.passed)
    .map((one) => document.problem(['tests', one.index], `fails: ${one.problem}`));
  return { configuration: { ...compose(value, version, byName, compiled.policy, options.directory), tests, failures } };
}

function compose(
  value: GatewayDocument,
  version: string,
  connections: ReadonlyMap<string, Connection>,
  policy: CompiledPolicy,
  directory: string,
): Omit<Configuration, 'tests' | 'failures'> {
  const { gateway, ...native } = value.listen as Record<string, Address | undefined>;
  const limits = new Map(Object.entries(value.limits));
  const { identity } = value;
  return {
    version,
    listen: {
      gateway,
      native: new Map(Object.entries(native).filter((entry): entry is [string, Address] => entry[1] !== undefined)),
    },
    publicUrl: value.publicUrl,
    tls: value.tls && { cert: resolve(directory, value.tls.cert), key: resolve(directory, value.tls.key) },
    identity: {
      issuers: identity.issuers.map((one) => withPath(one, directory)),
      workloads: identity.workloads.map((one) => withPath(one, directory)),
      embedded: identity.embedded ?? identity.issuers.length === 0,
      left: identity.embedded === undefined,
    },
    store: value.store,
    metrics: value.metrics,
    roles: value.roles,
    connections,
    policy,
    webhooks: value.webhooks.map((one) => withPath(one, directory)),
    exports: value.exports.map((one) => withPaths(one, (path) => resolve(directory, path))),
    witnesses: value.log.witnesses,
    logSynced: value.log.durability === 'synced',
    compress: value.recordings.compress,
    objects: value.recordings.store && withPath(value.recordings.store.s3, directory),
    retention: value.recordings.retention,
    stopGraceMs: value.stop.grace,
    limit(bound) {
      const configured = limits.get(bound.name);
      return configured === undefined ? bound : { ...bound, value: configured };
    },
  };
}

function withPath<T extends { caFile?: string | undefined }>(one: T, directory: string): T {
  return one.caFile === undefined ? one : { ...one, caFile: resolve(directory, one.caFile) };
}

type Report = (path: Path, message: string) => void;

/** What Object Lock keeps cannot be purged. */
function checkRetention({ recordings: { retention, store } }: GatewayDocument, report: Report): void {
  const locked = store?.s3.objectLock?.keep ?? 0;
  for (const [i, { keep, then }] of retention.entries()) {
    // A key is never locked.
    if (keep >= locked || then === 'erase-key') continue;
    const message = `is ${formatDuration(keep)}, expected at least ${formatDuration(locked)}, for which recordings.store.s3.objectLock keeps them`;
    report(['recordings', 'retention', i, 'keep'], message);
  }
}

/** One that is for no connection is a mistyped label: what it was to encrypt or commit would not be, and nobody would see it. */
function checkDefaults({ recordings: { defaults }, connections }: GatewayDocument, report: Report): void {
  const all = Object.values(connections as Record<string, unknown>).map((one) => (one as ConnectionCommon).labels);
  for (const [i, { labels }] of defaults.entries()) {
    if (Object.keys(labels).length === 0 || all.some((there) => isAmong(labels, there))) continue;
    report(
      ['recordings', 'defaults', i, 'labels'],
      'are those of no connection, expected labels that at least one has',
    );
  }
}

type Labels = Readonly<Record<string, string>>;

const isAmong = (wanted: Labels, there: Labels): boolean =>
  Object.entries(wanted).every(([key, value]) => there[key] === value);

/** Every target is dialled by host and port; how it is spoken to is the protocol's matter. */
const targetShape = z.looseObject({
  target: z.looseObject({ host: z.string(), port: z.number(), caFile: z.string().optional() }),
  credentials: z.record(z.string(), z.unknown()).default({}),
});

function connectionsOf(
  value: GatewayDocument,
  protocols: readonly Protocol[],
  directory: string,
  report: Report,
): Connection[] {
  const found: Connection[] = [];
  for (const [name, written] of Object.entries(value.connections)) {
    const common = written as unknown as ConnectionCommon;
    const config = Object.fromEntries(Object.entries(written).filter(([key]) => !CONNECTION_KEYS.includes(key)));
    const parsed = targetShape.safeParse(config);
    if (!parsed.success) {
      report(['connections', name, 'target'], 'has no host and port, expected both');
      continue;
    }
    const { target, credentials } = parsed.data;
    const caFile = target.caFile === undefined ? undefined : resolve(directory, target.caFile);
    found.push({
      name,
      labels: common.labels,
      protocol: protocols.find((one) => one.name === common.protocol)!,
      config,
      recording: recordingOf(common, value.recordings.defaults),
      maxAgeMs: common.session.maxAge,
      address: { host: target.host, port: target.port, ...(caFile === undefined ? {} : { caFile }) },
      credentials,
    });
  }
  return found;
}

/** Setting by setting: the connection's own, that of the first default whose labels it has, the built-in one. */
function recordingOf(
  { recording, labels }: ConnectionCommon,
  defaults: GatewayDocument['recordings']['defaults'],
): RecordingPolicy {
  const matching = defaults.filter((one) => isAmong(one.labels, labels));
  const layers: Partial<RecordingPolicy>[] = [recording, ...matching];
  const pick = <K extends keyof RecordingPolicy>(key: K): RecordingPolicy[K] =>
    layers.map((one) => one[key]).find((one) => one !== undefined) ?? DEFAULT_RECORDING[key];
  return {
    rows: pick('rows'),
    bytes: pick('bytes'),
    durability: pick('durability'),
    onFailure: pick('onFailure'),
    encrypt: pick('encrypt'),
  };
}

/** All of them as one error: config_invalid. */
export function configurationError(problems: readonly Problem[], file: string): Error {
  const many = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return userError('config_invalid', `${file} has ${many}:\n${formatProblems(problems)}`, {
    fix: `correct the file; check it with: hoopctl policy check ${file}`,
  });
}
