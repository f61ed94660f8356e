;; ends: done
;; Looks for what an earlier event left in memory or globals, then leaves something everywhere.
;; Run twice: 0 each time.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (global $seen (mut i32) (i32.const 0))
  (data (i32.const 0) "image")
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (local $at i32)
    (local.set $at (i32.const 16384))
    (loop $look
      (if (i32.load (local.get $at)) (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $look (i32.lt_u (local.get $at) (i32.const 65536))))
    (if (global.get $seen) (then (return (i32.const 2))))
    (if (i32.ne (i32.load8_u (i32.const 0)) (i32.const 0x69)) (then (return (i32.const 3))))
    (memory.fill (i32.const 0) (i32.const 0xff) (i32.const 4096))
    (memory.fill (i32.const 16384) (i32.const 0xff) (i32.const 49152))
    (global.set $seen (i32.const 1))
    (i32.const 0)))
