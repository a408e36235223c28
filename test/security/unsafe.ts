/** Control characters, direction overrides, and commands of CI systems where they count. */
export const UNSAFE =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|^[^\S\n]*::|##\w*\[|section_(?:start|end):/m;

/** Text that would rewrite a screen, turn what stands beside it, and be obeyed by CI systems. */
export const HOSTILE =
  '\u001b[2J\u009b31m\u202e\u061c\u2066\r::set-output name=x::y\n::error::z\n##vso[task.setvariable]x\n##teamcity[x]\n##[command]\nsection_start:1:x\r\u001b[0Ksection_end:1:x';
