import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../errors.ts';
import type { TlsSettings } from '../../http/tls.ts';
import { readAuthorities, readClientCertificate, unusable } from './files.ts';

const MAX_FILES = 100;

/**
 * Reads a folder as docker does (docs.docker.com, "Verify repository client with certificates"):
 * each `*.crt` is an authority, each `*.cert` a client certificate with its key in `*.key`.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export async function readCertificateFiles(folder: string): Promise<TlsSettings> {
  const names = (await namesIn(folder)).sort();
  if (names.length > MAX_FILES) throw unusable(folder, `it holds more than ${MAX_FILES} files`);
  const authorities = names.filter((name) => name.endsWith('.crt'));
  const certificates = names.filter((name) => name.endsWith('.cert'));
  const without = (name: string, ending: string): string => name.slice(0, -ending.length);
  for (const name of names.filter((each) => each.endsWith('.key'))) {
    const cert = `${without(name, '.key')}.cert`;
    if (!certificates.includes(cert)) {
      throw unusable(join(folder, name), `it belongs to ${cert}, which is not there`);
    }
  }
  const clientCertificates = await Promise.all(
    certificates.map((name) => {
      const key = `${without(name, '.cert')}.key`;
      if (names.includes(key)) return readClientCertificate(join(folder, name), join(folder, key));
      throw unusable(
        join(folder, name),
        `its key ${key} is not there; an authority's certificate has to be called *.crt`,
      );
    }),
  );
  const ca = await Promise.all(authorities.map((name) => readAuthorities(join(folder, name))));
  return { ...(ca.length === 0 ? {} : { ca: ca.join('') }), clientCertificates };
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw unusable(folder, `it can't be read (${systemCode(error)})`, undefined, error);
  }
}
