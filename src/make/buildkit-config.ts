import { join } from 'node:path';
import { collect, readFileBytes } from '../bytes/stream.ts';
import { isSlipwayError, systemCode } from '../errors.ts';
import { isHost } from '../oci/reference.ts';

const FILE = 'config.toml';
const MAX_BYTES = 256 * 1024;
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
    text = (await collect(readFileBytes(path), MAX_BYTES, path)).toString('utf8');
  } catch (error) {
    if (isSlipwayError(error, 'FILE_NOT_FOUND') && systemCode(error.cause) === 'ENOENT') return [];
    throw error;
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
