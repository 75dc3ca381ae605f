/*
 * SLIT of 8 by 8: distances 15 and 33 between the domains 3, 1 and 7, 254 to the unused.
 * SPDX-License-Identifier: MIT
 */
[0004]                          Signature : "SLIT"
[0004]                       Table Length : 00000000
[0001]                           Revision : 01
[0001]                           Checksum : 00
[0006]                             Oem ID : "PERCH "
[0008]                       Oem Table ID : "TESTDATA"
[0004]                       Oem Revision : 00000001
[0004]                    Asl Compiler ID : "INTL"
[0004]              Asl Compiler Revision : 20200925

[0008]                         Localities : 0000000000000008
[0008]                       Locality   0 : 0A FE FE FE FE FE FE FE
[0008]                       Locality   1 : FE 0A FE 0F FE FE FE 21
[0008]                       Locality   2 : FE FE 0A FE FE FE FE FE
[0008]                       Locality   3 : FE 0F FE 0A FE FE FE 21
[0008]                       Locality   4 : FE FE FE FE 0A FE FE FE
[0008]                       Locality   5 : FE FE FE FE FE 0A FE FE
[0008]                       Locality   6 : FE FE FE FE FE FE 0A FE
[0008]                       Locality   7 : FE 21 FE 21 FE FE FE 0A
