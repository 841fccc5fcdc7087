// References to secrets, as written in a configuration: never the secret itself (promise 4). Resolved by target/ alone.

export type SecretRef =
  | { readonly from: 'env'; readonly name: string }
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'exec'; readonly command: string };

/** `env:NAME`, `file:/path`, `exec:command args` → a reference; undefined when the text is none. */
export function parseSecretRef(text: string): SecretRef | undefined {
  const match = /^(env|file|exec):(.+)$/s.exec(text);
  if (match === null) return undefined;
  const [, from, rest] = match as unknown as [string, 'env' | 'file' | 'exec', string];
  if (from === 'env') return /^[A-Za-z_][A-Za-z0-9_]*$/.test(rest) ? { from, name: rest } : undefined;
  if (from === 'file') return { from, path: rest };
  return { from, command: rest };
}
