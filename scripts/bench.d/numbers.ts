// Medians and pairs: what is compared was measured in the same round of the same run.

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return Number.NaN;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

/** name → one value a round. */
export type Rounds = Record<string, number[]>;

/**
 * Measures each of the named things once a round, interleaved; every round starts with another one, so that what drifts
 * (temperature, other load, a growing table) falls on all of them alike.
 */
export async function interleave(
  names: readonly string[],
  rounds: number,
  measure: (name: string, round: number) => Promise<number>,
): Promise<Rounds> {
  const found: Rounds = Object.fromEntries(names.map((name) => [name, []]));
  for (let at = 0; at < rounds; at++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + at) % names.length] as string;
      (found[name] as number[]).push(await measure(name, at));
    }
  }
  return found;
}

/** The median over the rounds of `above / below`. */
export function pairedRatio(rounds: Rounds, above: string, below: string): number {
  const tops = rounds[above] ?? [];
  return round(median(tops.map((value, i) => value / (rounds[below]?.[i] ?? Number.NaN))));
}
