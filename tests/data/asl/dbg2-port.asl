/*
 * DBG2: a 16550 in memory where nothing is, one above 4 GiB, one at port 3e0.
 * SPDX-License-Identifier: MIT
 */
[0004]                          Signature : "DBG2"
[0004]                       Table Length : 00000000
[0001]                           Revision : 00
[0001]                           Checksum : 00
[0006]                             Oem ID : "PERCH "
[0008]                       Oem Table ID : "TESTDATA"
[0004]                       Oem Revision : 00000001
[0004]                    Asl Compiler ID : "INTL"
[0004]              Asl Compiler Revision : 20200925

[0004]                        Info Offset : 0000002C
[0004]                         Info Count : 00000003

[0001]                           Revision : 00
[0002]                             Length : 0028
[0001]                     Register Count : 01
[0002]                    Namepath Length : 0002
[0002]                    Namepath Offset : 0026
[0002]                    OEM Data Length : 0000
[0002]                    OEM Data Offset : 0000
[0002]                          Port Type : 8000
[0002]                       Port Subtype : 0012
[0002]                           Reserved : 0000
[0002]                Base Address Offset : 0016
[0002]                Address Size Offset : 0022

[0012]              Base Address Register : [Generic Address Structure]
[0001]                           Space ID : 00
[0001]                          Bit Width : 20
[0001]                         Bit Offset : 00
[0001]               Encoded Access Width : 03
[0008]                            Address : 00000000FE034000

[0004]                       Address Size : 00000020

[0002]                           Namepath : "."

[0001]                           Revision : 00
[0002]                             Length : 0028
[0001]                     Register Count : 01
[0002]                    Namepath Length : 0002
[0002]                    Namepath Offset : 0026
[0002]                    OEM Data Length : 0000
[0002]                    OEM Data Offset : 0000
[0002]                          Port Type : 8000
[0002]                       Port Subtype : 0012
[0002]                           Reserved : 0000
[0002]                Base Address Offset : 0016
[0002]                Address Size Offset : 0022

[0012]              Base Address Register : [Generic Address Structure]
[0001]                           Space ID : 00
[0001]                          Bit Width : 20
[0001]                         Bit Offset : 00
[0001]               Encoded Access Width : 03
[0008]                            Address : 00000080FE034000

[0004]                       Address Size : 00000020

[0002]                           Namepath : "."

[0001]                           Revision : 00
[0002]                             Length : 0028
[0001]                     Register Count : 01
[0002]                    Namepath Length : 0002
[0002]                    Namepath Offset : 0026
[0002]                    OEM Data Length : 0000
[0002]                    OEM Data Offset : 0000
[0002]                          Port Type : 8000
[0002]                       Port Subtype : 0000
[0002]                           Reserved : 0000
[0002]                Base Address Offset : 0016
[0002]                Address Size Offset : 0022

[0012]              Base Address Register : [Generic Address Structure]
[0001]                           Space ID : 01
[0001]                          Bit Width : 08
[0001]                         Bit Offset : 00
[0001]               Encoded Access Width : 00
[0008]                            Address : 00000000000003E0

[0004]                       Address Size : 00000020

[0002]                           Namepath : "."

