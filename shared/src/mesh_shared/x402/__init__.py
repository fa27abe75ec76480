"""x402 v2, the payment of a request by HTTP headers: scheme `exact` on EVM chains by EIP-3009.

Source: x402-foundation/x402, `specs/x402-specification-v2.md`, `specs/transports-v2/http.md` and
`specs/schemes/exact/scheme_exact_evm.md`.
"""
