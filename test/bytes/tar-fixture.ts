/** Fields of a header that a test may set to anything. */
export interface RawHeader {
  readonly name?: string | Uint8Array;
  readonly size?: number;
  /** the size field as it stands there, twelve bytes */
  readonly sizeField?: Uint8Array;
  readonly type?: string;
  readonly link?: string;
  readonly magic?: string;
  readonly prefix?: string;
  readonly checksum?: number;
}

/** One header block, honest or not: none of the rules of the program's own writer. */
export function rawHeader(fields: RawHeader): Buffer {
  const block = Buffer.alloc(512);
  const { name = 'file', size = 0, type = '0', magic = 'ustar\x0000' } = fields;
  block.set(Buffer.from(name as string).subarray(0, 100), 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.set(fields.sizeField ?? Buffer.from(`${size.toString(8).padStart(11, '0')}\0`), 124);
  block.write('00000000000\0', 136);
  block.write(type, 156);
  block.write(fields.link ?? '', 157, 100);
  block.write(magic, 257, 'latin1');
  block.write(fields.prefix ?? '', 345, 155);
  block.fill(0x20, 148, 156);
  const sum = fields.checksum ?? block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** Data with its padding. */
export function paddedData(data: Uint8Array | string): Buffer {
  const bytes = Buffer.from(data as string);
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.byteLength % 512)) % 512)]);
}

/** An entry with data. */
export function rawFile(name: string, data: Uint8Array | string, fields: RawHeader = {}): Buffer {
  const body = Buffer.from(data as string);
  return Buffer.concat([rawHeader({ name, size: body.byteLength, ...fields }), paddedData(body)]);
}

/** A pax header with the given records, which may hold anything. */
export function rawPax(records: Record<string, string | Uint8Array>, type = 'x'): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([
      Buffer.from(` ${key}=`),
      Buffer.from(value as string),
      Buffer.from('\n'),
    ]);
    let length = rest.byteLength + 1;
    while (String(length).length + rest.byteLength !== length)
      length = String(length).length + rest.byteLength;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return rawFile('PaxHeader', Buffer.concat(lines), { type });
}

/** The blocks of zeros at the end. */
export const RAW_END = Buffer.alloc(1024);
