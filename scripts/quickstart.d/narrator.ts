// Says what the quickstart does, shows commands with what they printed, and stops it when something is not as it should be.

const bold = (text: string) => (process.stdout.isTTY && !process.env.NO_COLOR ? `\u001b[1m${text}\u001b[22m` : text);
const dim = (text: string) => (process.stdout.isTTY && !process.env.NO_COLOR ? `\u001b[2m${text}\u001b[22m` : text);

let steps = 0;

export function step(title: string): void {
  steps += 1;
  console.log(`\n${bold(`${steps}. ${title}`)}`);
}

export function say(text: string): void {
  for (const line of text.split('\n')) console.log(`   ${line}`);
}

/** A command as its user would type it. */
export function command(who: string, text: string): void {
  console.log(`   ${dim(`${who} $`)} ${text}`);
}

export function output(text: string): void {
  for (const line of text.trimEnd().split('\n')) console.log(`     ${line}`);
}

/** The quickstart is also a check: what it does not show, it must not claim. */
export function must(shown: boolean, what: string, evidence: string): void {
  if (shown) return;
  throw new Error(`${what}; instead:\n${evidence}`);
}
