/**
 * The characters that a slug is made of. One in {@link DOMAIN} gives the lower case of its
 * compatibility decomposition without marks, one of {@link EXCEPTIONS} what stands there, and any
 * other nothing. It is werf's table, whose slugs are the names of images that are out there.
 */

/** code points, hexadecimal, single or as ranges */
const DOMAIN = [
  '0020 0026 0028-0029 002B-003E 0041-005B 005D 005F 0061-007B 007D-007E 00B2-00B3 00B5',
  '00C0-00F6 00F8-0181 0184-0185 0187-018C 0190-0193 0196-0199 019C-01A1 01A4-01B2',
  '01B5-01B7 01BC-01BD 01C4-01ED 01F0-01F5 01F8-021B 021E-0220 0224-0233 0237-0240',
  '0243-024F 0251 0257 0260-0262 026F 0271 0275-0276 0401 0410-044F 0451 1D00-1D07',
  '1D0A-1D0F 1E00-1E9A 1EA0-1EC7 1ECC-1EF9 2090-2093 2100-2106 2109-210F 2115 2117',
  '2119-2122 2124 212A-212C 212E-212F 2490-24EA A730-A73D FF21-FF3A FF3F FF41-FF5A FF5E',
].join(' ');

/** what is made of these code points instead */
const EXCEPTIONS: readonly (readonly [output: string, codePoints: string])[] = [
  ['', '042A 042C 044A 044C'],
  [
    '-',
    '0020 0026 0028 0029 002B 002C 002E 002F 003A 003B 003C 003D 003E 005B 005D 005F 007B 007D 007E FF3F FF5E',
  ],
  ['9', '2490'],
  ['10', '2491'],
  ['11', '2492'],
  ['12', '2493'],
  ['13', '2494'],
  ['14', '2495'],
  ['15', '2496'],
  ['16', '2497'],
  ['17', '2498'],
  ['18', '2499'],
  ['19', '249A'],
  ['20', '249B'],
  ['a', '023A 0251 0410 0430 1D00 1E9A 249C'],
  ['aa', 'A732 A733'],
  ['ac', '2100'],
  ['ae', '00C6 00E6 01E2 01E3 01FC 01FD 1D01 1D02'],
  ['af', 'A73A A73B A73C A73D'],
  ['aj', 'A736 A737'],
  ['ao', 'A734 A735'],
  ['as', '2101'],
  ['av', 'A738 A739'],
  ['b', '00DF 0180 0181 0184 0185 0243 0411 0431 1D03 249D'],
  ['c', '0187 0188 023B 023C 0426 0446 1D04 2103 2104 249E'],
  ['ch', '0427 0447'],
  ['co', '2105'],
  ['cu', '2106'],
  ['d', '00D0 0110 0111 0189 018A 0257 0414 0434 1D05 1D06 249F'],
  ['db', '0238'],
  ['e', '0190 01DD 0246 0247 042D 044D 1D07 212E 24A0'],
  ['f', '0191 0192 0424 0444 2109 24A1 A730'],
  ['g', '0193 01E4 01E5 0260 0261 0262 0413 0433 24A2'],
  ['h', '0126 0127 0425 0445 210F 24A3'],
  ['i', '0196 0197 0418 0438 24A4'],
  ['j', '0237 0248 0249 0419 0439 1D0A 24A5'],
  ['k', '0138 0198 0199 041A 043A 1D0B 24A6'],
  ['l', '0130 0131 013F 0140 0141 0142 023D 023E 041B 043B 1D0C 24A7'],
  ['m', '0271 041C 043C 1D0D 24A8'],
  ['n', '0149 014A 014B 019D 019E 0220 041D 043D 1D0E 24A9'],
  ['nd', '018B 018C'],
  ['o', '00D8 00F0 00F8 019F 01FE 01FF 0275 041E 043E 1D0F 24AA'],
  ['oe', '0152 0153 0276'],
  ['p', '01A4 01A5 041F 043F 2117 24AB'],
  ['px', '211E'],
  ['q', '01BC 01BD 024A 024B 24AC'],
  ['qp', '0239'],
  ['r', '01A6 024C 024D 0420 0440 211F 24AD'],
  ['s', '01A7 01A8 01A9 023F 0421 0441 24AE A731'],
  ['sh', '0428 0448'],
  ['shch', '0429 0449'],
  ['t', '0166 0167 01AA 01AB 01AC 01AD 01AE 0422 0442 24AF'],
  ['th', '00DE 00FE'],
  ['u', '00B5 01B1 01B2 0244 0423 0443 24B0'],
  ['v', '0245 0412 0432 24B1'],
  ['w', '019C 026F 24B2'],
  ['x', '00D7 24B3'],
  ['y', '024E 024F 042B 044B 24B4'],
  ['ya', '042F 044F'],
  ['ye', '0415 0435'],
  ['yo', '0401 0451'],
  ['yu', '042E 044E'],
  ['z', '01B5 01B6 01B7 0224 0225 0240 0417 0437 24B5'],
  ['zh', '0416 0436'],
];

/** What each code point of a slug's source becomes; those that aren't here become nothing. */
export function slugTable(): ReadonlyMap<number, string> {
  const table = new Map<number, string>();
  for (const range of DOMAIN.split(' ')) {
    const [first = Number.NaN, last = first] = range
      .split('-')
      .map((hex) => Number.parseInt(hex, 16));
    for (let point = first; point <= last; point++) table.set(point, folded(point));
  }
  for (const [output, points] of EXCEPTIONS) {
    for (const hex of points.split(' ')) table.set(Number.parseInt(hex, 16), output);
  }
  return table;
}

function folded(point: number): string {
  return String.fromCodePoint(point).normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
