import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayError, systemCode } from '../errors.ts';
import type { TlsSettings } from '../http/tls.ts';

/**
 * Reads the certificates of a folder as docker lays them out: `ca.pem` of the engine's authority,
 * `cert.pem` and `key.pem` of ours.
 *
 * @throws SlipwayError `CONFIG_INVALID` for a file that is needed and isn't there
 */
export async function readCertificates(
  folder: string,
  { verify, where }: { readonly verify: boolean; readonly where: string },
): Promise<TlsSettings> {
  const read = async (name: string, isNeeded: boolean): Promise<string | undefined> => {
    const path = join(folder, name);
    try {
      return await readFile(path, 'utf8');
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT' && !isNeeded) return undefined;
      throw new SlipwayError('CONFIG_INVALID', `${where} asks for TLS, and ${path} can't be read`, {
        path,
        hint: 'the folder of DOCKER_CERT_PATH (or of the docker context) holds ca.pem, cert.pem and key.pem',
        cause,
      });
    }
  };
  const ca = await read('ca.pem', verify);
  const cert = await read('cert.pem', false);
  const key = await read('key.pem', cert !== undefined);
  return {
    skipVerify: !verify,
    ...(ca === undefined ? {} : { ca, isOnlyAuthority: true }),
    ...(cert === undefined || key === undefined ? {} : { clientCertificates: [{ cert, key }] }),
  };
}
