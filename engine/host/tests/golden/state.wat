;; effect: StatePut { key: b"k", value: b"v", ttl_s: 0 }
(drop (call $put `k` `v`))
---
;; A value with an end is read back before the commit, and by a scan as well.
;; effect: StatePut { key: b"k", value: b"new", ttl_s: 60 }
(drop (call $put_expiring `k` `new` (i32.const 60)))
(if (i32.ne (call $get `k` (i32.const 64) (i32.const 8)) (i32.const 3)) (then (return (i32.const 1))))
(if (i32.ne (i32.load (i32.const 64)) (i32.const 0x0077656e)) (then (return (i32.const 2))))
(if (i32.ne (call $scan `` `` (i32.const 64) (i32.const 64)) (i32.const 10)) (then (return (i32.const 3))))
---
;; A later put takes the end away.
;; effect: StatePut { key: b"k", value: b"a", ttl_s: 60 }
;; effect: StatePut { key: b"k", value: b"b", ttl_s: 0 }
(drop (call $put_expiring `k` `a` (i32.const 60)))
(drop (call $put `k` `b`))
---
;; ends: seconds
;; says: the time to live of a value is 1 to 4294967295 seconds, not 0
(drop (call $put_expiring `k` `v` (i32.const 0)))
---
;; ends: key
(drop (call $put_expiring `` `v` (i32.const 1)))
---
;; ends: value
(drop (call $put_expiring `k` (memory.grow (i32.const 1)) (i32.const 0x10001) (i32.const 1)))
