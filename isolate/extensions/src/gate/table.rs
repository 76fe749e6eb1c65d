//! The table. A line of names is read as words; each group says why.

use super::Class;

/// Every operation of every extension, by extension.
pub(super) const OPERATIONS: &[(Class, &str)] = &[
    // deno_telemetry. Traces and figures would leave by an exporter of the host's.
    (
        Class::Denied,
        "\
         op_otel_collect_isolate_metrics op_otel_enable_isolate_metrics op_otel_log op_otel_log_foreign
         op_otel_span_attribute1 op_otel_span_attribute2 op_otel_span_attribute3 op_otel_span_add_link
         op_otel_span_update_name op_otel_metric_attribute3 op_otel_metric_record0 op_otel_metric_record1
         op_otel_metric_record2 op_otel_metric_record3 op_otel_metric_observable_record0
         op_otel_metric_observable_record1 op_otel_metric_observable_record2 op_otel_metric_observable_record3
         op_otel_metric_wait_to_observe op_otel_metric_observation_done",
    ),
    // deno_web. Encodings, streams, messages between ports of one isolate, the console's formatting.
    (
        Class::Pure,
        "\
         op_base64_decode op_base64_decode_into op_base64_encode_from_buffer op_base64_atob op_base64_btoa
         op_base64url_decode op_base64url_decode_into op_base64url_encode_from_buffer
         op_encoding_normalize_label op_encoding_decode_single op_encoding_decode_utf8
         op_encoding_decode_utf8_ascii_only op_encoding_new_decoder op_encoding_decode op_encoding_encode_into
         op_encoding_encode_into_fallback op_message_port_create_entangled op_message_port_post_message
         op_message_port_post_message_raw op_message_port_recv_message op_message_port_recv_message_sync
         op_compression_new op_compression_write op_compression_finish op_defer
         op_geometry_get_enable_css_parser_features op_geometry_matrix_set_matrix_value
         op_geometry_matrix_to_string op_readable_stream_resource_allocate
         op_readable_stream_resource_allocate_sized op_readable_stream_resource_get_sink
         op_readable_stream_resource_write_error op_readable_stream_resource_write_buf
         op_readable_stream_resource_write_sync op_readable_stream_resource_close
         op_readable_stream_resource_await_close op_url_reparse op_url_parse op_url_get_serialization
         op_url_parse_with_base op_url_parse_search_params op_url_stringify_search_params op_urlpattern_parse
         op_urlpattern_process_match_input op_preview_entries op_console_inspect op_console_inspect_args
         op_console_format_value op_console_quote_string op_console_parse_css op_console_parse_css_color
         op_console_css_to_ansi op_console_get_string_width op_console_strip_vt",
    ),
    // deno_web. Clocks, in coarse steps.
    (Class::Rewired, "op_now op_time_origin"),
    // deno_web. Blobs and broadcast channels are in stores of the guest's own.
    (
        Class::Given,
        "\
         op_blob_create_part op_blob_slice_part op_blob_read_part op_blob_remove_part op_blob_clone_part
         op_blob_create_object_url op_blob_revoke_object_url op_blob_from_object_url op_broadcast_subscribe
         op_broadcast_unsubscribe op_broadcast_serialize op_broadcast_deserialize op_broadcast_free
         op_broadcast_send op_broadcast_recv",
    ),
    // deno_web. Web locks are one table for the whole host.
    (
        Class::Denied,
        "\
         op_lock_manager_request op_lock_manager_await_lock op_lock_manager_await_steal
         op_lock_manager_is_stolen op_lock_manager_cancel op_lock_manager_release op_lock_manager_query",
    ),
    // deno_fetch.
    (
        Class::Pure,
        "\
         op_utf8_to_byte_string op_fetch_promise_is_settled",
    ),
    // deno_fetch. A client of the host's.
    (
        Class::Denied,
        "\
         op_fetch op_fetch_send op_fetch_custom_client",
    ),
    // deno_websocket.
    (
        Class::Pure,
        "\
         op_ws_close op_ws_next_event op_ws_get_buffer op_ws_get_buffer_as_string op_ws_get_error
         op_ws_send_binary op_ws_send_binary_ab op_ws_send_text op_ws_send_binary_async op_ws_send_text_async
         op_ws_send_ping op_ws_get_buffered_amount",
    ),
    // deno_websocket. The same; what a connection that was never made could do is left.
    (
        Class::Denied,
        "\
         op_ws_check_permission_and_cancel_handle op_ws_create",
    ),
    // deno_crypto.
    (
        Class::Pure,
        "\
         op_crypto_random_uuid_batch op_crypto_is_seeded",
    ),
    // deno_net. Keys and certificates as values.
    (
        Class::Pure,
        "\
         op_tls_key_null op_tls_key_static op_tls_cert_resolver_create op_tls_cert_resolver_poll
         op_tls_cert_resolver_resolve op_tls_cert_resolver_resolve_error",
    ),
    // deno_net. Sockets of the host's.
    (
        Class::Denied,
        "\
         op_net_accept_tcp op_net_get_ips_from_perm_token op_net_connect_tcp op_net_listen_tcp op_net_listen_udp
         op_node_unstable_net_listen_udp op_net_recv_udp op_net_send_udp op_net_join_multi_v4_udp
         op_net_join_multi_v6_udp op_net_leave_multi_v4_udp op_net_leave_multi_v6_udp
         op_net_set_multi_loopback_udp op_net_set_multi_ttl_udp op_net_set_broadcast_udp
         op_net_validate_multicast op_dns_resolve op_net_get_system_dns_servers op_set_nodelay op_set_keepalive
         op_net_listen_vsock op_net_accept_vsock op_net_connect_vsock op_net_listen_tunnel op_net_accept_tunnel
         op_tls_start op_net_connect_tls op_net_listen_tls op_net_accept_tls op_tls_handshake op_net_accept_unix
         op_net_connect_unix op_net_listen_unix op_net_listen_unixpacket op_node_unstable_net_listen_unixpacket
         op_net_recv_unixpacket op_net_send_unixpacket op_quic_connecting_0rtt op_quic_connecting_1rtt
         op_quic_connection_accept_bi op_quic_connection_accept_uni op_quic_connection_close
         op_quic_connection_closed op_quic_connection_get_protocol op_quic_connection_get_remote_addr
         op_quic_connection_get_server_name op_quic_connection_handshake op_quic_connection_open_bi
         op_quic_connection_open_uni op_quic_connection_get_max_datagram_size op_quic_connection_read_datagram
         op_quic_connection_send_datagram op_quic_endpoint_close op_quic_endpoint_connect
         op_quic_endpoint_create op_quic_endpoint_get_addr op_quic_endpoint_listen op_quic_incoming_accept
         op_quic_incoming_accept_0rtt op_quic_incoming_ignore op_quic_incoming_local_ip op_quic_incoming_refuse
         op_quic_incoming_remote_addr op_quic_incoming_remote_addr_validated op_quic_listener_accept
         op_quic_listener_stop op_quic_recv_stream_get_id op_quic_send_stream_get_id
         op_quic_send_stream_get_priority op_quic_send_stream_set_priority op_webtransport_accept
         op_webtransport_connect",
    ),
    // deno_http.
    (
        Class::Pure,
        "\
         op_http_websocket_accept_header",
    ),
    // deno_http. A server on the host's sockets; node:http is none of it.
    (
        Class::Denied,
        "\
         op_http_accept op_http_headers op_http_notify_serving op_http_serve_address_override
         op_http_serve_default_compression op_http_shutdown op_http_upgrade_websocket op_http_write_headers
         op_http_write_resource op_http_write op_http_close_after_finish op_http_get_request_header
         op_http_get_request_headers op_http_request_on_cancel op_http_get_request_method
         op_http_get_request_url op_http_get_request_method_and_url op_http_get_request_remote_addr
         op_http_get_request_cancelled op_http_is_raw_request op_http_read_request_body
         op_http_try_take_full_request_body op_http_try_take_full_request_body_text op_http_serve_on
         op_http_serve op_http_set_promise_complete op_http_drop_response_native
         op_http_new_response_native_headers op_http_new_response_native_static op_http_set_response_native
         op_http_set_response_body_bytes op_http_set_response_body_bytes_with_headers
         op_http_set_response_body_resource op_http_set_response_body_static_with_content_type
         op_http_set_response_body_static_with_default_header op_http_set_response_body_static_with_header
         op_http_set_response_body_text op_http_set_response_body_text_with_headers op_http_set_response_header
         op_http_set_response_headers op_http_set_response_trailers op_http_upgrade_websocket_next
         op_http_ws_create_from_stream_resource op_http_wait op_http_close op_http_cancel
         op_http_metric_handle_otel_error op_http_copy_span_to_otel_info",
    ),
    // deno_fs. Through the kernel's file system.
    (
        Class::Given,
        "\
         op_fs_cwd op_fs_umask op_fs_chdir op_fs_open_sync op_fs_open_async op_fs_mkdir_sync op_fs_mkdir_async
         op_fs_chmod_sync op_fs_chmod_async op_fs_chown_sync op_fs_chown_async op_fs_remove_sync
         op_fs_remove_async op_fs_copy_file_sync op_fs_copy_file_async op_fs_stat_sync op_fs_stat_async
         op_fs_lstat_sync op_fs_lstat_async op_fs_realpath_sync op_fs_realpath_async op_fs_read_dir_sync
         op_fs_read_dir_async op_fs_read_dir_async_next op_fs_rename_sync op_fs_rename_async op_fs_link_sync
         op_fs_link_async op_fs_symlink_sync op_fs_symlink_async op_fs_read_link_sync op_fs_read_link_async
         op_fs_truncate_sync op_fs_truncate_async op_fs_utime_sync op_fs_utime_async op_fs_make_temp_dir_sync
         op_fs_make_temp_dir_async op_fs_make_temp_file_sync op_fs_make_temp_file_async op_fs_write_file_sync
         op_fs_write_file_async op_fs_read_file_sync op_fs_read_file_async op_fs_read_file_text_sync
         op_fs_read_file_text_async op_fs_seek_sync op_fs_seek_async op_fs_file_sync_data_sync
         op_fs_file_sync_data_async op_fs_file_sync_sync op_fs_file_sync_async op_fs_file_stat_sync
         op_fs_file_stat_async op_fs_fchmod_async op_fs_fchmod_sync op_fs_fchown_async op_fs_fchown_sync
         op_fs_flock_async op_fs_flock_sync op_fs_flock_try_async op_fs_flock_try_sync op_fs_funlock_async
         op_fs_funlock_sync op_fs_ftruncate_sync op_fs_file_truncate_async op_fs_futime_sync op_fs_futime_async",
    ),
    // deno_os. The process's own values, or the session's.
    (
        Class::Rewired,
        "\
         op_env op_exec_path op_exit op_delete_env op_get_env op_get_env_no_permission_check op_gid op_hostname
         op_loadavg op_network_interfaces op_os_release op_os_uptime op_set_env op_set_exit_code
         op_get_exit_code op_system_memory_info op_uid op_runtime_cpu_usage op_runtime_memory_usage",
    ),
    // deno_os. The process's signals.
    (
        Class::Rewired,
        "\
         op_signal_bind op_signal_unbind op_signal_poll",
    ),
    // deno_process. Processes of the session's.
    (
        Class::Rewired,
        "\
         op_node_spawn_child op_spawn_wait op_spawn_sync op_spawn_kill op_spawn_child_ref op_spawn_child_unref",
    ),
    // deno_process. Those of interfaces that Node does not have.
    (
        Class::Denied,
        "\
         op_spawn_child op_run op_run_status op_kill",
    ),
    // deno_node_crypto. Computes; the asynchronous ones on the guest's bounded threads.
    (
        Class::Pure,
        "\
         op_node_check_prime_async op_node_check_prime_bytes_async op_node_check_prime_bytes op_node_check_prime
         op_node_aes_wrap_key op_node_aes_unwrap_key op_node_cipheriv_encrypt op_node_cipheriv_final
         op_node_cipheriv_set_aad op_node_cipheriv_take op_node_create_cipheriv op_node_create_decipheriv
         op_node_create_hash op_node_decipheriv_decrypt op_node_decipheriv_final op_node_decipheriv_set_aad
         op_node_decipheriv_auth_tag op_node_dh_check op_node_dh_compute_secret op_node_diffie_hellman
         op_node_ecdh_compute_public_key op_node_ecdh_compute_secret op_node_ecdh_encode_pubkey
         op_node_ecdh_generate_keys op_node_ecdh_validate_private_key op_node_ecdh_validate_public_key
         op_node_fill_random_async op_node_fill_random op_node_gen_prime_async op_node_gen_prime
         op_node_get_hash_size op_node_get_hashes op_node_hash_clone op_node_hash_digest_hex op_node_hash_digest
         op_node_hash_update_str op_node_hash_update op_node_hkdf_async op_node_hkdf op_node_pbkdf2_async
         op_node_pbkdf2 op_node_pbkdf2_validate op_node_private_decrypt op_node_private_encrypt
         op_node_public_decrypt op_node_public_encrypt op_node_validate_oaep_hash op_node_random_int
         op_node_scrypt_async op_node_scrypt_sync op_node_sign op_node_sign_ed25519 op_node_sign_ed448
         op_node_verify op_node_verify_ed25519 op_node_verify_ed448 op_node_verify_spkac
         op_node_cert_export_public_key op_node_cert_export_challenge op_node_create_private_key
         op_node_create_ed_raw op_node_create_rsa_jwk op_node_create_ec_jwk op_node_create_public_key
         op_node_create_secret_key op_node_derive_public_key_from_private_key
         op_node_dh_keys_generate_and_export op_node_export_private_key_der op_node_export_private_key_jwk
         op_node_export_private_key_pem op_node_export_public_key_der op_node_export_public_key_pem
         op_node_export_public_key_jwk op_node_export_secret_key_b64url op_node_export_secret_key
         op_node_generate_dh_group_key_async op_node_generate_dh_group_key op_node_generate_dh_key_async
         op_node_generate_dh_key op_node_generate_dsa_key_async op_node_generate_dsa_key
         op_node_generate_ec_key_async op_node_generate_ec_key op_node_generate_ed25519_key_async
         op_node_generate_ed25519_key op_node_generate_x448_key_async op_node_generate_x448_key
         op_node_generate_ed448_key_async op_node_generate_ed448_key op_node_generate_rsa_key_async
         op_node_generate_rsa_key op_node_generate_rsa_pss_key op_node_generate_rsa_pss_key_async
         op_node_generate_secret_key_async op_node_generate_secret_key op_node_generate_x25519_key_async
         op_node_generate_x25519_key op_node_get_asymmetric_key_details op_node_get_asymmetric_key_type
         op_node_get_private_key_from_pair op_node_get_public_key_from_pair op_node_get_symmetric_key_size
         op_node_key_equals op_node_key_type op_node_load_pfx op_node_validate_crl op_node_x509_parse
         op_node_x509_ca op_node_x509_check_email op_node_x509_check_host op_node_x509_fingerprint
         op_node_x509_fingerprint256 op_node_x509_fingerprint512 op_node_x509_get_issuer
         op_node_x509_get_subject op_node_x509_get_valid_from op_node_x509_get_valid_to
         op_node_x509_get_serial_number op_node_x509_key_usage op_node_x509_public_key op_node_x509_to_string
         op_node_x509_get_raw op_node_x509_get_subject_alt_name op_node_x509_check_ip op_node_x509_check_issued
         op_node_x509_check_private_key op_node_x509_verify op_node_x509_get_info_access
         op_node_x509_get_signature_algorithm_name op_node_x509_get_signature_algorithm_oid
         op_node_x509_to_legacy_object",
    ),
    // deno_node. Buffers, compression, parsers, contexts, values.
    (
        Class::Pure,
        "\
         op_node_get_first_expression op_socket_address_parse op_socket_address_get_serialization
         op_blocklist_new op_blocklist_add_address op_blocklist_add_range op_blocklist_add_subnet
         op_blocklist_check op_mark_as_untransferable op_is_ascii op_is_utf8 op_transcode op_node_buffer_compare
         op_node_buffer_compare_offset op_node_encoding_slice op_node_sys_to_uv_error
         op_v8_cached_data_version_tag op_v8_get_heap_statistics op_v8_number_of_heap_spaces
         op_v8_update_heap_space_statistics op_v8_get_heap_code_statistics op_v8_get_wire_format_version
         op_v8_new_deserializer op_v8_new_serializer op_v8_read_double op_v8_read_header op_v8_read_raw_bytes
         op_v8_read_uint32 op_v8_read_uint64 op_v8_read_value op_v8_release_buffer
         op_v8_set_treat_array_buffer_views_as_host_objects op_v8_transfer_array_buffer
         op_v8_transfer_array_buffer_de op_v8_write_double op_v8_write_header op_v8_write_raw_bytes
         op_v8_write_uint32 op_v8_write_uint64 op_v8_write_value op_v8_gc_profiler_new op_v8_gc_profiler_start
         op_v8_gc_profiler_stop op_vm_create_script op_vm_create_context op_vm_create_context_without_contextify
         op_vm_script_run_in_context op_vm_is_context op_vm_compile_function op_vm_script_get_source_map_url
         op_vm_script_create_cached_data op_vm_dynamic_import_callback_register
         op_vm_module_create_source_text_module op_vm_module_create_synthetic_module
         op_vm_module_set_synthetic_export op_vm_module_link op_vm_module_instantiate op_vm_module_evaluate
         op_vm_module_get_status op_vm_module_get_namespace op_vm_module_get_exception
         op_vm_module_get_module_requests op_vm_module_get_identifier op_node_idna_to_ascii
         op_node_idna_domain_to_ascii op_node_idna_domain_to_unicode op_node_idna_punycode_to_ascii
         op_node_idna_punycode_to_unicode op_node_idna_punycode_decode op_node_idna_punycode_encode
         op_zlib_crc32 op_zlib_crc32_string op_node_new_async_id op_http2_callbacks op_http2_error_string
         op_http2_http_state op_node_build_os op_node_view_has_buffer
         op_node_get_own_non_index_properties op_node_parse_env op_worker_get_resource_limits
         op_node_parse_shell_args op_tls_peer_certificate
         op_tls_canonicalize_ipv4_address op_stream_base_register_state op_get_root_certificates
         op_set_default_ca_certificates",
    ),
    // deno_node. Files and packages, through the kernel's file system.
    (
        Class::Given,
        "\
         op_module_hooks_register op_module_hooks_poll_load op_module_hooks_respond_load
         op_module_default_resolve op_node_fs_constants op_node_fs_exists_sync op_node_fs_exists
         op_node_lchmod_sync op_node_lchmod op_node_lchown_sync op_node_lchown op_node_lutimes_sync
         op_node_lutimes op_node_mkdtemp_sync op_node_mkdtemp op_node_rmdir_sync op_node_rmdir
         op_node_statfs_sync op_node_statfs op_node_cp_check_paths_recursive op_node_cp_on_file
         op_node_cp_on_link op_node_cp_fast op_node_cp_sync op_node_cp_validate_and_prepare
         op_require_can_parse_as_esm op_require_init_paths op_require_node_module_paths op_require_proxy_path
         op_require_is_deno_dir_package op_require_resolve_deno_dir op_require_is_maybe_cjs
         op_require_is_request_relative op_require_resolve_lookup_paths op_require_try_self
         op_require_real_path op_require_path_is_absolute op_require_path_dirname op_require_stat
         op_require_path_resolve op_require_path_basename op_require_read_file op_require_as_file_path
         op_require_resolve_exports op_require_read_package_scope op_require_package_imports_resolve
         op_node_call_is_from_dependency op_node_in_npm_package",
    ),
    // deno_node. Descriptors of the process, by the kernel's own numbers.
    (
        Class::Rewired,
        "\
         op_node_open_sync op_node_open op_node_fs_close op_node_fs_read_sync op_node_fs_read_deferred
         op_node_fs_write_sync op_node_fs_write_deferred op_node_fs_seek_sync op_node_fs_seek
         op_node_fs_fstat_sync op_node_fs_fstat op_node_fs_ftruncate_sync op_node_fs_ftruncate
         op_node_fs_fsync_sync op_node_fs_fsync op_node_fs_fdatasync_sync op_node_fs_fdatasync
         op_node_fs_futimes_sync op_node_fs_futimes op_node_fs_fchmod_sync op_node_fs_fchmod
         op_node_fs_fchown_sync op_node_fs_fchown op_node_fs_read_file_sync op_node_fs_read_file",
    ),
    // deno_node. Native code that recurses as deep as a script is nested, and is kept from it.
    (Class::Rewired, "op_node_strip_typescript_types"),
    // deno_node. The process's own values.
    (
        Class::Rewired,
        "\
         op_node_os_get_priority op_node_os_set_priority op_node_os_user_info op_geteuid op_getegid op_getgroups op_cpus op_homedir
         op_node_guess_handle_type op_node_process_set_title op_node_process_kill op_process_abort
         op_node_process_constrained_memory op_node_process_resource_usage op_node_get_ca_certificates
         op_inspector_enabled op_tty_check_fd_permission",
    ),
    // deno_node. The channel of a child that was forked; its messages are ours (js/channel.js).
    (
        Class::Rewired,
        "\
         op_node_has_child_ipc_pipe op_node_child_ipc_pipe op_node_ipc_ref op_node_ipc_unref",
    ),
    // deno_node. Descriptors, sockets, addresses, debuggers and files of the host's.
    (
        Class::Denied,
        "\
         op_node_getaddrinfo op_node_getnameinfo op_node_create_pipe op_node_fd_set_blocking
         op_v8_set_flags_from_string op_v8_take_heap_snapshot op_v8_set_heap_snapshot_near_heap_limit
         op_v8_query_objects_count op_node_http_check_proxy_net op_node_load_env_file
         op_require_break_on_next_statement op_worker_threads_filename op_node_ipc_write_json
         op_node_ipc_read_json op_node_ipc_read_advanced op_node_ipc_write_advanced
         op_node_ipc_buffer_constructor op_node_process_setegid
         op_node_process_seteuid op_node_process_setgid op_node_process_setuid op_node_translate_cli_args
         op_node_tls_start
         op_node_tls_handshake op_inspector_open op_inspector_close op_inspector_url op_inspector_wait
         op_inspector_connect op_node_repl_inspector_connect op_inspector_dispatch op_inspector_disconnect
         op_inspector_emit_protocol_event op_inspector_port op_node_udp_bind
         op_node_udp_join_multi_v4 op_node_udp_leave_multi_v4 op_node_udp_join_multi_v6
         op_node_udp_leave_multi_v6 op_node_udp_set_broadcast op_node_udp_set_multicast_loopback
         op_node_udp_set_multicast_ttl op_node_udp_set_ttl op_node_udp_set_multicast_interface
         op_node_udp_join_source_specific op_node_udp_leave_source_specific op_node_udp_send op_node_udp_recv
         op_node_udp_fd_for_ipc op_node_udp_open",
    ),
];

/// Classes whose methods touch nothing but what they are given: a stream among them has nothing under it here.
pub(super) const CLASSES_PURE: &str = "\
         Console CSSRule CSSStyleSheet DOMPointReadOnly DOMPoint DOMRectReadOnly DOMRect DOMQuad
         DOMMatrixReadOnly DOMMatrix ImageData Crypto SubtleCrypto CryptoKey Hasher EldHistogram BaseHistogram
         AsyncWrap HandleWrap LibUvStreamWrap BrotliDecoder BrotliEncoder Zlib ZstdCompress ZstdDecompress
         TLSWrap HTTPParser Http2Session Http2Stream";

/// Classes that are not there: they hold descriptors of the host's, or exporters.
pub(super) const CLASSES_DROPPED: &str = "\
         OtelTracer OtelMeter OtelSpan WasiContext TTY TCPWrap PipeWrap";

/// Of the engine's own operations: ours.
pub(super) const ENGINE_REWIRED: &str = "op_print op_is_terminal";

/// Of the engine's own operations: they panic the thread, or name resources.
pub(super) const ENGINE_DENIED: &str = "op_panic";
