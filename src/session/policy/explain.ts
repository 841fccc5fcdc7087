// Why a policy says what it says: every rule and mask with what held and what did not, in words and as JSON.
// Tests the same conditions as the decision does.

import type { Facts, Understood } from '../../protocol/contract.ts';
import type { Principal } from '../identity/principal.ts';
import type { PolicyConnection } from './check.ts';
import type { Condition } from './condition.ts';
import type { DangerSet } from './danger.ts';
import { judge } from './judge.ts';
import type { CompiledMask } from './masks.ts';
import { ACCESS, type CompiledRule, describeBudget } from './rule.ts';
import { type CompiledSession, hasReason } from './session.ts';
import type { Access, ConnectionRef, PolicyVerdict } from './types.ts';
import type { Moment } from './when.ts';

/** What is asked, as the protocol understood it. */
export interface ExplainInput extends Understood {
  readonly principal: Principal;
  readonly connection: ConnectionRef;
  /** ms since the epoch */
  readonly now: number;
  readonly reason?: string;
}

/** One condition of a rule, as it was found. `part`: the statement, from 0, where the condition is about one. */
export interface Finding {
  readonly key: string;
  readonly holds: boolean;
  readonly wanted: string;
  readonly seen: string;
  readonly part?: number;
}

export interface RuleExplanation {
  readonly name: string;
  readonly then: CompiledRule['then'];
  readonly matched: boolean;
  readonly findings: readonly Finding[];
}

export interface MaskExplanation {
  readonly name: string;
  readonly applies: boolean;
  /** Whether the statement reads one of its columns, as far as its text tells. */
  readonly touched: boolean;
  readonly findings: readonly Finding[];
}

export interface Explanation {
  readonly access: Access;
  /** What comes out: without access, or where the configuration of the connection says so, a refusal whatever the rules say. */
  readonly verdict: PolicyVerdict;
  /** The verdict is that of a mask, on how its columns are used. */
  readonly byMask?: boolean;
  /** What the rules say, where that is not what comes out. */
  readonly otherwise?: PolicyVerdict;
  readonly rules: readonly RuleExplanation[];
  readonly masks: readonly MaskExplanation[];
  /** What the analysis saw in each statement. */
  readonly parts: readonly Facts[];
  /** Whether the verdict would be another at some other time. */
  readonly timed: boolean;
  /** Whether the gateway would look further: at what the statement reaches by the target's catalogue, which is not asked here. */
  readonly reaching: boolean;
  /** Likewise at what views, functions and operators make of masked columns. */
  readonly guessing: boolean;
}

export interface ExplainContext {
  readonly connection: PolicyConnection;
  readonly danger: DangerSet;
  readonly rules: readonly CompiledRule[];
  readonly masks: readonly CompiledMask[];
  readonly access: Access;
  readonly session: CompiledSession;
}

export function explain(input: ExplainInput, context: ExplainContext): Explanation {
  const { ruled, ...judged } = judge(context.session, input, input.now);
  const rules = context.rules.map((rule) => explainRule(rule, input, context, ruled));
  const touched = new Set(context.session.masker.touched(input.parts));
  const masks = context.masks.map((mask): MaskExplanation => {
    const findings = [
      ...find(mask.to, context.connection),
      ...find(mask.unless ?? [], input.principal).map((finding) => ({
        ...finding,
        key: finding.key.replace(/^who/, 'unless'),
      })),
    ];
    return {
      name: mask.name,
      applies: context.session.masker.names.includes(mask.name),
      touched: touched.has(mask.name),
      findings,
    };
  });
  const { access, session } = context;
  const timed = isTimed(context.rules, rules);
  const verdict = access.access === 'none' ? NO_ACCESS : (byConfiguration(input) ?? judged.verdict);
  const otherwise = verdict === ruled ? {} : { otherwise: ruled };
  const byMask = verdict === judged.verdict && judged.by === 'mask' ? { byMask: true } : {};
  const guessing = session.masker.columns && input.parts.some((part) => part.relations.length > 0);
  const beyond = { reaching: session.reaching, guessing };
  return { access, verdict, ...byMask, ...otherwise, rules, masks, parts: input.parts, timed, ...beyond };
}

const NO_ACCESS: PolicyVerdict = {
  verdict: 'deny',
  rule: ACCESS,
  message: 'no access line gives it',
  matched: [ACCESS],
};

function byConfiguration({ refused }: ExplainInput): PolicyVerdict | undefined {
  return refused === undefined ? undefined : { verdict: 'deny', message: refused, matched: [] };
}

function find<T>(conditions: readonly Condition<T>[], subject: T, part?: number): Finding[] {
  return conditions.map((condition) => ({
    key: condition.key,
    holds: condition.holds(subject),
    wanted: condition.wanted,
    seen: condition.seen(subject),
    ...(part === undefined ? {} : { part }),
  }));
}

function explainRule(
  rule: CompiledRule,
  input: ExplainInput,
  context: ExplainContext,
  verdict: PolicyVerdict,
): RuleExplanation {
  const moment: Moment = { text: input.text, now: input.now };
  const findings = [...find(rule.to, context.connection), ...find(rule.who, input.principal)];
  if (rule.reasonMissing) {
    const missing = !hasReason(input.reason);
    findings.push({
      key: 'when.reasonMissing',
      holds: missing,
      wanted: 'no reason',
      seen: missing ? 'no reason' : 'a reason',
    });
  }
  if (rule.charge !== undefined) {
    const wanted = `${describeBudget(rule.charge.budget)} used up`;
    findings.push({ key: 'when.budget', holds: false, wanted, seen: 'nothing used' });
  }
  input.parts.forEach((part, i) => {
    findings.push(...find(rule.facts, part, i));
    if (!rule.dangerous) return;
    const names = context.danger.elements(part).map((element) => element.name);
    findings.push({
      key: 'when.dangerous',
      holds: names.length > 0,
      wanted: 'something dangerous',
      seen: names.length > 0 ? names.join(', ') : 'nothing dangerous',
      part: i,
    });
  });
  findings.push(...find(rule.late, moment));
  return { name: rule.name, then: rule.then, matched: verdict.matched.includes(rule.name), findings };
}

/** A rule of which all holds but the time, or all and the time: then the hour decides. */
function isTimed(rules: readonly CompiledRule[], explained: readonly RuleExplanation[]): boolean {
  return rules.some((rule, i) => {
    if (!rule.late.some((condition) => condition.key === 'when.time')) return false;
    const { findings } = explained[i]!;
    const others = findings.filter((finding) => finding.key !== 'when.time');
    if (others.some((finding) => finding.part === undefined && !finding.holds)) return false;
    const parts = new Set(others.map((finding) => finding.part).filter((part) => part !== undefined));
    return (
      parts.size === 0 || [...parts].some((part) => others.every((finding) => finding.part !== part || finding.holds))
    );
  });
}

const OFFLINE =
  'by the names in the text alone: the gateway also follows it through views, triggers, functions and the like, and may refuse it';

const UNFOLLOWED =
  'masks by the columns in the text alone: what views, functions and operators make of masked ones is in the catalogue, by which the gateway may mask or refuse more';

/** The explanation as lines to print, the reason for the verdict first. */
export function explanationLines(explanation: Explanation): readonly string[] {
  const { access, verdict, byMask, otherwise, rules, masks, parts, reaching, guessing } = explanation;
  const lines: string[] = [];
  if (access.access === 'none') {
    lines.push('access: none, no access line gives it', 'verdict: deny, for want of access');
    if (otherwise !== undefined) lines.push(`whoever had access would get: ${describeVerdict(otherwise)}`);
  } else {
    lines.push(access.access === 'open' ? 'access: open' : 'access: with an approved grant');
    lines.push(`verdict: ${describeVerdict(verdict, byMask)}`);
    if (verdict.next !== undefined) lines.push(`  ${verdict.next}`);
    if (otherwise !== undefined) lines.push(`the rules alone would say: ${describeVerdict(otherwise)}`);
  }
  const words = new Set(parts.flatMap((part) => part.does));
  if (words.size > 0) lines.push(`what it does: ${[...words].join(', ')}`);
  for (const rule of [...rules].sort((a, b) => Number(b.matched) - Number(a.matched))) {
    lines.push(`${rule.matched ? 'matches' : 'does not match'}: ${rule.name} (${rule.then})`);
    const shown = rule.matched
      ? rule.findings.filter((finding) => finding.holds)
      : rule.findings.filter((finding) => !finding.holds);
    for (const finding of shown) lines.push(`  ${describeFinding(finding)}`);
  }
  for (const mask of masks) {
    lines.push(
      `mask ${mask.name}: ${mask.applies ? (mask.touched ? 'applies, and a column of it is read' : 'applies') : 'does not apply'}`,
    );
    for (const finding of mask.applies ? [] : mask.findings) lines.push(`  ${describeFinding(finding)}`);
  }
  if (reaching && verdict.verdict !== 'deny') lines.push(OFFLINE);
  if (guessing && verdict.verdict !== 'deny') lines.push(UNFOLLOWED);
  return lines;
}

function describeVerdict({ verdict, rule, message }: PolicyVerdict, byMask = false): string {
  const by =
    rule !== undefined
      ? `by ${byMask ? 'mask' : 'rule'} ${rule}`
      : verdict === 'deny'
        ? 'by the configuration of the connection'
        : 'no rule matches';
  return `${verdict}, ${by}${message === undefined ? '' : ` (${message})`}`;
}

function describeFinding({ key, holds, wanted, seen, part }: Finding): string {
  const where = part === undefined || part === 0 ? '' : ` (statement ${part + 1})`;
  return holds ? `${key}: ${seen}${where}` : `${key}: wants ${wanted}, has ${seen}${where}`;
}
