(module
  (import "fleetfn_v1" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_put_expiring" (func $keep (param i32 i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_scan" (func $scan (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "timer_set" (func $timer (param i32 i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "timer_cancel" (func $cancel (param i32 i32) (result i32)))
  (import "fleetfn_v1" "twin_get" (func $twin (param i32 i32) (result i32)))
  (import "fleetfn_v1" "twin_patch" (func $patch (param i32 i32) (result i32)))
  (import "fleetfn_v1" "log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "count")
  (data (i32.const 16) "sum/a")
  (data (i32.const 32) "again")
  (data (i32.const 48) "alerts/x")
  (data (i32.const 64) "{\"rate\":VERSION}")
  (data (i32.const 96) "keep")
  (func $bump
    (drop (call $get (i32.const 0) (i32.const 5) (i32.const 128) (i32.const 8)))
    (i64.store (i32.const 128) (i64.add (i64.load (i32.const 128)) (i64.const VERSION)))
    (drop (call $put (i32.const 0) (i32.const 5) (i32.const 128) (i32.const 8))))
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $length i32) (result i32)
    (local $op i32) (local $at i32) (local $times i32)
    ;; Where the payload begins: behind header, entity and detail.
    (local.set $at (i32.add (i32.const 4136)
      (i32.add (i32.load16_u (i32.const 4100)) (i32.load16_u (i32.const 4102)))))
    (if (i32.gt_u (i32.load (i32.const 4106)) (i32.const 0))
      (then (local.set $op (i32.load8_u (local.get $at)))))
    (call $bump)
    (if (i32.eq (local.get $op) (i32.const 115)) ;; s
      (then (drop (call $send (i32.const 16) (i32.const 5) (i32.const 32) (i32.const 5) (i32.const 128) (i32.const 8) (i32.const 0)))))
    (if (i32.eq (local.get $op) (i32.const 100)) ;; d
      (then (drop (call $send (i32.const 16) (i32.const 5) (i32.const 32) (i32.const 5) (i32.const 128) (i32.const 8) (i32.const 3)))))
    (if (i32.eq (local.get $op) (i32.const 116)) ;; t
      (then (drop (call $timer (i32.const 32) (i32.const 5) (i32.const 128) (i32.const 8) (i32.const 2)))))
    (if (i32.eq (local.get $op) (i32.const 99)) ;; c
      (then (drop (call $cancel (i32.const 32) (i32.const 5)))))
    (if (i32.eq (local.get $op) (i32.const 107)) ;; k
      (then
        (drop (call $scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 256) (i32.const 512)))
        (drop (call $keep (i32.const 96) (i32.const 4) (i32.const 128) (i32.const 8) (i32.const 5)))))
    (if (i32.eq (local.get $op) (i32.const 112)) ;; p
      (then (drop (call $publish (i32.const 48) (i32.const 8) (i32.const 128) (i32.const 8)))))
    (if (i32.eq (local.get $op) (i32.const 119)) ;; w
      (then
        (drop (call $twin (i32.const 1024) (i32.const 1024)))
        (drop (call $patch (i32.const 64) (i32.const 10)))))
    (if (i32.eq (local.get $op) (i32.const 120)) (then (unreachable))) ;; x
    (if (i32.eq (local.get $op) (i32.const 114)) (then (return (i32.const 7)))) ;; r
    (if (i32.eq (local.get $op) (i32.const 108)) ;; l
      (then
        (local.set $times (i32.load8_u (i32.add (local.get $at) (i32.const 1))))
        (loop $more
          (local.set $times (i32.sub (local.get $times) (i32.const 1)))
          (br_if $more (i32.gt_s (local.get $times) (i32.const 0))))
        (drop (call $log (i32.const 1) (i32.const 0) (i32.const 5)))))
    (i32.const 0))
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"NAME\",\"triggers\":[{\"telemetry\":\"t\"},{\"telemetry\":\"j\",\"schema\":{\"type\":\"object\"}},{\"presence\":true},{\"twin\":true},{\"timer\":\"+\"},{\"message\":\"+\"},{\"reply\":\"+\"},{\"quiet\":\"t\",\"for_s\":9}],\"publish\":[\"alerts/#\"],\"command\":true,\"send\":[\"sum/+\"],\"twin\":true}"))
