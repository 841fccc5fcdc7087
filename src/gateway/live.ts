// The policy held against what the targets really have: `hoopctl policy check --live`. Connects as the gateway does.
// Refuses to know: how it is printed.

import { openDocument } from '../config/document.ts';
import { type Problem, sortProblems } from '../config/problem.ts';
import { systemClock } from '../core/clock.ts';
import { asHoopctlError } from '../core/errors.ts';
import { fixedLimit } from '../core/limits.ts';
import { silentLog } from '../core/log.ts';
import type { PolicyDocument } from '../session/policy/schema.ts';
import { type Surveyed, unmatched } from '../session/policy/unmatched.ts';
import { CredentialResolver } from '../target/credentials.ts';
import { createTarget } from '../target/target.ts';
import { allProtocols, type Configuration, type Connection } from './configuration.ts';
import { missingCredentials, missingSecrets } from './credentials.ts';
import { documentSchema } from './document.ts';
import { TrustInForce } from './trust.ts';

/** How long reading what one target has may take. */
export const SURVEY_MS = fixedLimit('survey_ms', 'ms', 20_000);

export interface LiveOptions {
  readonly file: string;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface LiveCheck {
  /** The connections whose targets were looked at. */
  readonly checked: readonly string[];
  /** Those that nobody knows how to look at. */
  readonly skipped: readonly string[];
  /** What was not tried of those that were looked at, at their places. */
  readonly untried: readonly Problem[];
  /** Targets that could not be looked at and why, at their places. */
  readonly problems: readonly Problem[];
  /**
   * Names that no target has; credentials that are not there, of targets that are not looked at; secrets of what the gateway
   * sends that are not there; issuers that do not answer.
   */
  readonly warnings: readonly Problem[];
}

/** @param written the text that `configuration` was read from. */
export async function checkLive(
  configuration: Configuration,
  written: string,
  options: LiveOptions,
): Promise<LiveCheck> {
  const document = openDocument(written, options.file).value!;
  const value = document.check(documentSchema(await allProtocols())).value as PolicyDocument;
  const resolver = new CredentialResolver({ ...options, log: silentLog });
  const connections = [...configuration.connections.values()];
  const able = connections.filter(({ protocol }) => (protocol.inventory ?? protocol.probe) !== undefined);
  const missing = await missingCredentials(configuration, resolver);
  const lacking = new Set(missing.map(({ connection }) => connection));
  const problems: Problem[] = [];
  const surveyed: Surveyed[] = [];
  const checked: string[] = [];
  const untried: Problem[] = [];
  await Promise.all(
    able.map(async (connection) => {
      if (lacking.has(connection.name)) return;
      try {
        const { inventory, left } = await look(connection, resolver);
        if (inventory !== undefined) surveyed.push({ connection, inventory });
        checked.push(connection.name);
        for (const what of left) {
          untried.push(
            document.problem(['connections', connection.name], `has a target that was reached, but for ${what}`),
          );
        }
      } catch (thrown) {
        const { message } = asHoopctlError(thrown);
        problems.push(
          document.problem(['connections', connection.name], `has a target that cannot be looked at: ${message}`),
        );
      }
    }),
  );
  const names = new Set(able.map(({ name }) => name));
  const absent: Problem[] = [];
  // Where nothing can be looked at anyway it is no reason to fail.
  for (const { connection, path, reference, why } of missing) {
    const list = names.has(connection) ? problems : absent;
    list.push(document.problem(path, `is ${reference}, which ${why} here`));
  }
  for (const { path, reference, why, stops } of await missingSecrets(configuration, resolver)) {
    absent.push(document.problem(path, `is ${reference}, which ${why} here; ${stops}`));
  }
  const trust = new TrustInForce(() => configuration, systemClock, undefined);
  for (const { path, error } of await trust.unanswered()) absent.push(document.problem(path, `fails here: ${error}`));
  const warnings = unmatched(value, surveyed).map(({ path, message }) => document.problem(path, message));
  return {
    checked: checked.sort(),
    skipped: connections.filter((one) => !able.includes(one)).map(({ name }) => name),
    untried: sortProblems(untried),
    problems: sortProblems(problems),
    warnings: sortProblems([...absent, ...warnings]),
  };
}

async function look(
  connection: Connection,
  resolver: CredentialResolver,
): Promise<{ inventory: Surveyed['inventory'] | undefined; left: readonly string[] }> {
  const { protocol } = connection;
  const target = createTarget({
    address: { connection: connection.name, ...connection.address },
    config: connection.config,
    credentials: connection.credentials,
    resolver,
    log: silentLog,
  });
  const signal = AbortSignal.timeout(SURVEY_MS.value);
  const left = (await protocol.probe?.(target, signal)) ?? [];
  return { inventory: await protocol.inventory?.(target, signal), left };
}
