;; ends: rejected 2
(return (call $config_get `limit` (i32.const 64) (i32.const 8)))
---
(drop (call $config_get `limit` (i32.const 64) (i32.const 8)))
(if (i32.ne (i32.load (i32.const 64)) (i32.const 0x3033)) (then (return (i32.const 1))))
---
;; ends: rejected -1
(return (call $config_get `other` (i32.const 64) (i32.const 8)))
---
;; ends: name
;; says: '' is no name of a key of the configuration
(drop (call $config_get `` (i32.const 64) (i32.const 8)))
---
;; ends: pointer
(drop (call $config_get `limit` (i32.const 65536) (i32.const 1)))
