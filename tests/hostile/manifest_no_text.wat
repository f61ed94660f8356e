;; refused: utf-8
;; Has a manifest that is not UTF-8.
(module
  (@custom "fleetfn_v1_manifest" "\ff\fe")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.const 0)))
