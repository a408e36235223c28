import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { systemCode } from '../errors.ts';
import { isHost } from '../oci/reference.ts';

const FILE = 'config.toml';
const OPTIONS: Readonly<Record<string, string>> = {
  insecure: '--skip-tls-verify',
  http: '--plain-http',
};

/**
 * What BuildKit's `config.toml` in a folder says about registries (`[registry."HOST"]` with
 * `insecure = true` or `http = true`), as our own options.
 */
export async function registryFlags(folder: string): Promise<readonly string[]> {
  const path = join(folder, FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw fileError(path, error);
  }
  const flags: string[] = [];
  let host: string | undefined;
  for (const line of text.split('\n')) {
    const bare = line.trim();
    if (bare.startsWith('[')) {
      const [, double, single] =
        /^\[\s*registry\s*\.\s*(?:"([^"]*)"|'([^']*)')\s*\]/.exec(bare) ?? [];
      host = double ?? single;
      continue;
    }
    const [, key = ''] = /^(insecure|http)\s*=\s*true\b/.exec(bare) ?? [];
    const option = OPTIONS[key];
    if (option !== undefined && host !== undefined && isHost(host)) flags.push(option, host);
  }
  return flags;
}
