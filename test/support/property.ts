// How hard a property test tries. In the suite: the seed and number of runs that the test names. Under scripts/fuzz
// (HOOPCTL_FUZZ=N): N times as many, from a seed of the clock that is printed by fast-check when a run fails.

/** Parameters for `fc.assert`. */
export function effort(usual: { seed: number; numRuns: number }): { seed: number; numRuns: number } {
  const times = Number(process.env.HOOPCTL_FUZZ ?? 0);
  if (!(times > 0)) return usual;
  const seed = Number(process.env.HOOPCTL_TEST_SEED ?? Date.now() % 2_147_483_647);
  return { seed, numRuns: Math.ceil(usual.numRuns * times) };
}
