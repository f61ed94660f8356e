;; At once, to an entity that is no device.
;; effect: Send { entity: b"nsite/berlin", name: b"reading/room-1", payload: b"31.5", delay_s: 0 }
(drop (call $send `site/berlin` `reading/room-1` `31.5` (i32.const 0)))
---
;; Later, to a device, without a payload; for an event that is not about a device.
;; event: message
;; effect: Send { entity: b"dd-7", name: b"wake", payload: b"", delay_s: 3600 }
(drop (call $send `devices/d-7` `wake` `` (i32.const 3600)))
---
;; ends: grant
;; says: grants no send to 'region/eu'
(drop (call $send `region/eu` `a` `` (i32.const 0)))
---
;; ends: grant
;; says: grants no send to 'site/berlin/hall'
(drop (call $send `site/berlin/hall` `a` `` (i32.const 0)))
---
;; ends: entity
;; says: 'devices/a b' is no entity
(drop (call $send `devices/a b` `a` `` (i32.const 0)))
---
;; ends: entity
(drop (call $send `devices` `a` `` (i32.const 0)))
---
;; ends: entity
(drop (call $send `site/+` `a` `` (i32.const 0)))
---
;; ends: entity
(drop (call $send `$SYS/a` `a` `` (i32.const 0)))
---
;; ends: entity
(drop (call $send `` `a` `` (i32.const 0)))
---
;; ends: entity
(drop (call $send `site/\ff` `a` `` (i32.const 0)))
---
;; ends: name
;; says: '' is no name of a message: a topic must not be empty
(drop (call $send `site/a` `` `` (i32.const 0)))
---
;; ends: name
;; says: '+' is no name of a message
(drop (call $send `site/a` `+` `` (i32.const 0)))
---
;; ends: name
;; says: utf-8
(drop (call $send `site/a` `\ff` `` (i32.const 0)))
---
;; ends: name
;; says: it has 129 bytes, at most 128 are allowed
(drop (call $send `site/a` (i32.const 256) (i32.const 129) `` (i32.const 0)))
---
;; ends: pointer
(drop (call $send (i32.const -1) (i32.const 2) `a` `` (i32.const 0)))
---
;; ends: pointer
(drop (call $send `site/a` `a` (i32.const 65536) (i32.const 1) (i32.const 0)))
---
;; ends: payload
(drop (memory.grow (i32.const 1)))
(drop (call $send `site/a` `a` (i32.const 0) (i32.const 65537) (i32.const 0)))
---
;; grants: none
;; ends: grant
(drop (call $send `site/a` `a` `` (i32.const 0)))
