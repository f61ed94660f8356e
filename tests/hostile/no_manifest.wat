;; refused: missing custom section 'fleetfn_v1_manifest'
;; Has no manifest.
(module
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.const 0)))
