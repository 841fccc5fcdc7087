// A version of the configuration as it stands in the log → what a report asks of it: who could reach what. Compiled by the
// code that decides in the gateway; files and secrets that the text names are not looked at. Refuses to know: the log.

import { openDocument } from '../../config/document.ts';
import type { Problem } from '../../config/problem.ts';
import type { Protocol } from '../../protocol/contract.ts';
import { compilePolicy } from '../../session/policy/compile.ts';
import type { PolicyView, ReadPolicy } from '../../session/report/types.ts';
import { CONNECTION_KEYS, type ConnectionCommon, documentSchema } from '../document.ts';

export function policyReader(protocols: readonly Protocol[]): ReadPolicy {
  const schema = documentSchema(protocols);
  return async (text): Promise<PolicyView | string> => {
    const opened = openDocument(text, 'document');
    if (opened.problems !== undefined) return first(opened.problems);
    const checked = opened.value.check(schema);
    if (checked.problems !== undefined) return first(checked.problems);
    const document = checked.value;
    const connections = Object.entries(document.connections).map(([name, written]) => {
      const { protocol: spoken, labels } = written as unknown as ConnectionCommon;
      const protocol = protocols.find((one) => one.name === spoken)!;
      const config = Object.fromEntries(Object.entries(written).filter(([key]) => !CONNECTION_KEYS.includes(key)));
      return { name, labels, vocabulary: protocol.vocabulary, capabilities: protocol.capabilities(config) };
    });
    const { policy, problems } = compilePolicy(document, { version: '', connections });
    if (policy === undefined) return problems[0]!.message;
    const { access } = opened.value.value as { access?: readonly unknown[] };
    return {
      connections,
      access: (principal, connection) => policy.access(principal, connection),
      lines: access ?? [],
      change: document.change,
    };
  };
}

/** A later version may know fewer words: then the text is all that there is. */
function first([problem]: readonly Problem[]): string {
  return `line ${problem!.line}: ${problem!.message}`;
}
