;; Keeps books about the events of its device: how many, and whether each came after the one before it.
;; An event's payload starts with its number, u64 little-endian, counting from 1.
;; State, key "s", 24 bytes: count u64 | newest number u64 | numbers that did not rise u64.
;; After each event it sends the command "count" with the state.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"ledger\",\"triggers\":[{\"telemetry\":\"load\"}],\"publish\":[],\"command\":true}")
  (import "fleetfn_v1" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "command" (func $command (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "s")
  (data (i32.const 8) "count")
  ;; 32: the state; 4096: the event's buffer of 32 KiB.
  (func (export "fleetfn_v1_buffer") (result i64)
    (i64.or (i64.shl (i64.const 32768) (i64.const 32)) (i64.const 4096)))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (local $number i64)
    (drop (call $get (i32.const 0) (i32.const 1) (i32.const 32) (i32.const 24)))
    (local.set $number
      (i64.load
        (i32.add
          (i32.const 4136)
          (i32.add (i32.load16_u (i32.const 4100)) (i32.load16_u (i32.const 4102))))))
    (i64.store (i32.const 32) (i64.add (i64.load (i32.const 32)) (i64.const 1)))
    (if (i64.le_u (local.get $number) (i64.load (i32.const 40)))
      (then (i64.store (i32.const 48) (i64.add (i64.load (i32.const 48)) (i64.const 1)))))
    (i64.store (i32.const 40) (local.get $number))
    (drop (call $put (i32.const 0) (i32.const 1) (i32.const 32) (i32.const 24)))
    (drop (call $command (i32.const 8) (i32.const 5) (i32.const 32) (i32.const 24) (i32.const 0)))
    (i32.const 0)))
