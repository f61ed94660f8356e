;; A gate that says HOLD to question 1 of the rollout fw-2, whatever it is told.
(module
  (@custom "fleetfn_v1_manifest" "{\"abi\":1,\"name\":\"crash-rate\",\"triggers\":[{\"gate\":true}]}")
  (import "fleetfn_v1" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "rollout/fw-2")
  (data (i32.const 16) "rollout/verdict")
  (data (i32.const 32) "{\"question\":1,\"verdict\":\"HOLD\",\"text\":\"2.0% vs control 0.3%\"}")
  (func (export "fleetfn_v1_buffer") (result i64)
    (i64.or (i64.shl (i64.const 32768) (i64.const 32)) (i64.const 4096)))
  (func (export "fleetfn_v1_on_event") (param i32) (result i32)
    (drop (call $send (i32.const 0) (i32.const 12) (i32.const 16) (i32.const 15)
      (i32.const 32) (i32.const 61) (i32.const 0)))
    (i32.const 0)))
