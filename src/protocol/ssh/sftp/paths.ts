// Paths of a host as bytes, taken apart and put together. Refuses to know: what they lead to.

const SLASH = 0x2f;

/** Directory and last name; a path that ends in ".." or "." has no name of its own. */
export function split(path: Buffer): [Buffer, Buffer | undefined] {
  let end = path.length;
  while (end > 1 && path[end - 1] === SLASH) end--;
  const trimmed = path.subarray(0, end);
  const at = trimmed.lastIndexOf(SLASH);
  const name = trimmed.subarray(at + 1);
  if (name.equals(Buffer.from('..')) || name.equals(Buffer.from('.')) || name.length === 0) return [path, undefined];
  return [at < 0 ? Buffer.from('.') : at === 0 ? Buffer.from('/') : trimmed.subarray(0, at), name];
}

export function join(directory: Buffer, name: Buffer): Buffer {
  const root = directory.length === 1 && directory[0] === SLASH;
  return Buffer.concat(root ? [directory, name] : [directory, Buffer.from('/'), name]);
}
