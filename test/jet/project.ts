import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Owner, tempDir } from '../rig/lifetime.ts';

/** Writes a project's files; YAML's are what they are, others go to their paths. */
export async function writeProject(
  owner: Owner,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<string> {
  const dir = await tempDir(owner);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(dir, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  return dir;
}
