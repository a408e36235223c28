import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { SlipwayError } from '../errors.ts';

/**
 * The two formats of encrypted files and values. `jet`: base64 of a 16-byte IV and AES-256-CFB of
 * the text, as Codeship's jet reads and writes it; who changes it isn't noticed. `sealed`: a first
 * line {@link SEALED_HEADER}, then base64 of salt, nonce, AES-256-GCM of the text, and tag; what was
 * changed, or isn't for this key, is refused. See `docs/jet.md`.
 */
export type EncryptionFormat = 'jet' | 'sealed';

const SEALED_HEADER = 'slipway:v1';
/** jet's own later format, which is described nowhere. */
const UNKNOWN_HEADER = 'codeship:v2';

const IV_BYTES = 16;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts a text with a key of 32 bytes. */
export function encrypt(plain: Uint8Array, key: Uint8Array, format: EncryptionFormat): string {
  if (format === 'jet') {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-cfb', key, iv);
    return Buffer.concat([iv, cipher.update(plain), cipher.final()]).toString('base64');
  }
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(key, salt), nonce);
  cipher.setAAD(Buffer.from(SEALED_HEADER));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  const sealed = Buffer.concat([salt, nonce, body, cipher.getAuthTag()]);
  return `${SEALED_HEADER}\n${sealed.toString('base64')}\n`;
}

/**
 * Decrypts what {@link encrypt} or jet encrypted.
 *
 * @param where names the file or value in errors; its text is never shown
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function decrypt(text: string, key: Uint8Array, where: string): Buffer {
  const [header = '', ...rest] = text.trim().split(/\r?\n/);
  if (header.trim() === UNKNOWN_HEADER) {
    throw invalid(where, `is of the format ${UNKNOWN_HEADER}, which is described nowhere`, {
      hint: 'decrypt it with jet 2.6 or later and encrypt it again with slipway jet encrypt',
    });
  }
  if (header.trim() === SEALED_HEADER) return open(decode(rest.join(''), where), key, where);
  if (/^[a-z]+:/.test(header)) throw invalid(where, 'is of an unknown format', WRONG_FILE);
  const bytes = decode(text, where);
  if (bytes.byteLength < IV_BYTES) throw invalid(where, 'is too short', WRONG_FILE);
  const decipher = createDecipheriv('aes-256-cfb', key, bytes.subarray(0, IV_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES)), decipher.final()]);
}

function open(bytes: Buffer, key: Uint8Array, where: string): Buffer {
  const start = SALT_BYTES + NONCE_BYTES;
  const end = bytes.byteLength - TAG_BYTES;
  if (end < start) throw invalid(where, 'is too short', WRONG_FILE);
  const nonce = bytes.subarray(SALT_BYTES, start);
  const salt = bytes.subarray(0, SALT_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', sealingKey(key, salt), nonce);
  decipher.setAAD(Buffer.from(SEALED_HEADER));
  decipher.setAuthTag(bytes.subarray(end));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(start, end)), decipher.final()]);
  } catch {
    throw invalid(where, 'was changed, or is not encrypted with this key', {
      hint: 'name the right key with --key-path, or encrypt it again',
    });
  }
}

/** The same key file serves both formats; no key is used for two ciphers. */
function sealingKey(key: Uint8Array, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, `${SEALED_HEADER} aes-256-gcm`, 32));
}

function decode(text: string, where: string): Buffer {
  const base64 = text.replace(/\s+/g, '');
  const bytes = Buffer.from(base64, 'base64');
  if (base64 === '' || bytes.toString('base64') !== base64) {
    throw invalid(where, 'is not encrypted: it is no base64', WRONG_FILE);
  }
  return bytes;
}

const WRONG_FILE = { hint: 'encrypt it with slipway jet encrypt' };

function invalid(where: string, how: string, facts: { readonly hint: string }): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `${where} ${how}`, { path: where, ...facts });
}
