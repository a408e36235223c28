import { createPrivateKey, X509Certificate } from 'node:crypto';
import { open } from 'node:fs/promises';
import { SlipwayError, systemCode } from '../../errors.ts';
import type { ClientCertificate } from '../../http/tls.ts';

/** A bundle of all public authorities has a quarter of this. */
const MAX_FILE_BYTES = 1024 * 1024;

/** The error of a file for a host that can't be used. */
export function unusable(path: string, how: string, line?: number, cause?: unknown): SlipwayError {
  const where = line === undefined ? path : `${path}:${line}`;
  return new SlipwayError('CONFIG_INVALID', `${where}: ${how}`, {
    path,
    hint: 'mend or remove it; docs/tls-and-proxies.md says what may stand there',
    cause,
  });
}

/** True for a file or folder that isn't there. */
export function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '');
}

/** @throws SlipwayError `CONFIG_INVALID`; undefined for a file that isn't there */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
      let end = 0;
      while (end < bytes.byteLength) {
        const { bytesRead } = await file.read(bytes, end);
        if (bytesRead === 0) break;
        end += bytesRead;
      }
      if (end > MAX_FILE_BYTES) throw unusable(path, `it is larger than ${MAX_FILE_BYTES} bytes`);
      return bytes.toString('utf8', 0, end);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isAbsent(error)) return undefined;
    if (error instanceof SlipwayError) throw error;
    throw unusable(path, `it can't be read (${systemCode(error)})`, undefined, error);
  }
}

async function readText(path: string): Promise<string> {
  const text = await readTextIfThere(path);
  if (text === undefined) throw unusable(path, 'it is not there');
  return text;
}

/** The certificates of a file, PEM. @throws SlipwayError `CONFIG_INVALID` */
export async function readAuthorities(path: string): Promise<string> {
  return certificatesIn(path, await readText(path));
}

/**
 * A client certificate and its key, which may stand in one file.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export async function readClientCertificate(
  certPath: string,
  keyPath = certPath,
): Promise<ClientCertificate> {
  const cert = certificatesIn(certPath, await readText(certPath));
  const key = await readText(keyPath);
  let isOwn: boolean;
  try {
    isOwn = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    // What openssl says may quote the file.
    throw unusable(keyPath, 'it holds no private key in PEM that needs no password');
  }
  if (!isOwn) throw unusable(keyPath, `this key is not that of ${certPath}`);
  return { cert, key };
}

function certificatesIn(path: string, text: string): string {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) throw unusable(path, 'it holds no certificate in PEM');
  for (const [at, certificate] of found.entries()) {
    try {
      new X509Certificate(certificate);
    } catch {
      throw unusable(path, `its certificate ${at + 1} can't be read`);
    }
  }
  return `${found.join('\n')}\n`;
}
