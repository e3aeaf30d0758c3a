"""Which test shows what an option does: the data of the page `options.md`.

A test is named by its file under `test/` and its function.
"""

from __future__ import annotations

_CLI = "e2e/test_cli.py"
_OPTIONS = "e2e/test_options.py"
_PRECISION = "e2e/test_precision_options.py"
_DECIDE = "e2e/test_scale_decisions.py"
_CHECK = "e2e/test_check.py"
_BATCHES = "e2e/test_batches.py"
_SUB = "e2e/test_sub_configs.py"
_FINETUNE = "e2e/test_finetune.py"
_RUN = "e2e/test_cli_run.py"
_TRANSFORMERS = "e2e/test_transformer_options.py"
_DATA = "unit/quant/test_dataset.py"
_COLOR = "e2e/test_color.py"
_ANALYSIS = "e2e/test_precision_analysis.py"

BUILD_TESTS: dict[str, str] = {
    "input": f"{_CLI}::test_messages",
    "output_dir": f"{_CLI}::test_output_folder",
    "output_name": f"{_CLI}::test_builds_in_an_output_and_a_work_folder",
    "work_dir": f"{_CLI}::test_builds_in_an_output_and_a_work_folder",
    "no_cache": f"{_OPTIONS}::test_the_second_build_skips_calibration",
    "model_type": f"{_CLI}::test_a_quant_axmodel_builds_the_same_program",
    "target_hardware": f"{_OPTIONS}::test_target_hardware_and_npu_mode",
    "npu_mode": f"{_OPTIONS}::test_target_hardware_and_npu_mode",
    "input_shapes": f"{_CLI}::test_input_shapes",
    "onnx_opt.disable_onnx_optimization": f"{_OPTIONS}::test_onnx_optimization",
    "onnx_opt.enable_onnxsim": f"{_OPTIONS}::test_onnx_optimization",
    "onnx_opt.model_check": f"{_OPTIONS}::test_model_check",
    "onnx_opt.disable_transformation_check": f"{_OPTIONS}::test_onnx_optimization",
    "onnx_opt.save_tensors_data": f"{_OPTIONS}::test_weights_are_kept_in_files",
    "quant.input_configs[].tensor_name": f"{_DATA}::test_inputs_are_matched_by_name",
    "quant.input_configs[].calibration_dataset": f"{_DATA}::test_every_archive_gives_the_same",
    "quant.input_configs[].calibration_format": f"{_DATA}::test_numpy_and_binary",
    "quant.input_configs[].calibration_size": f"{_DATA}::test_fewer_files_than_asked_for",
    "quant.input_configs[].calibration_mean": f"{_DATA}::test_colours_mean_and_layout",
    "quant.input_configs[].calibration_std": f"{_DATA}::test_colours_mean_and_layout",
    "quant.layer_configs[].layer_name": f"{_PRECISION}::test_layer_configs",
    "quant.layer_configs[].layer_names": f"{_PRECISION}::test_layer_configs",
    "quant.layer_configs[].op_type": f"{_PRECISION}::test_layer_configs",
    "quant.layer_configs[].op_types": f"{_PRECISION}::test_layer_configs",
    "quant.layer_configs[].start_tensor_names": f"{_PRECISION}::test_layer_configs",
    "quant.layer_configs[].end_tensor_names": f"{_PRECISION}::test_layer_configs",
    "quant.layer_configs[].data_type": f"{_PRECISION}::test_layer_configs",
    "quant.layer_configs[].output_data_type": f"{_PRECISION}::test_output_data_type",
    "quant.layer_configs[].weight_data_type": f"{_PRECISION}::test_layer_configs",
    "quant.calibration_method": "unit/quant/test_calibrate.py::test_methods_clip_outliers",
    "quant.precision_analysis": f"{_ANALYSIS}::test_per_layer_reference",
    "quant.precision_analysis_method": f"{_ANALYSIS}::test_errors_add_up_end_to_end",
    "quant.precision_analysis_mode":
        f"{_ANALYSIS}::test_the_program_gives_the_figures_of_the_reference",
    "quant.input_sample_dir": f"{_ANALYSIS}::test_samples_of_the_users_own",
    "quant.highest_mix_precision": f"{_PRECISION}::test_highest_mix_precision",
    "quant.conv_bias_data_type": f"{_OPTIONS}::test_conv_bias_data_type",
    "quant.refine_weight_threshold": f"{_OPTIONS}::test_refine_weight_threshold",
    "quant.check": f"{_PRECISION}::test_check",
    "quant.disable_auto_refine_scale": f"{_PRECISION}::test_disable_auto_refine_scale",
    "quant.enable_smooth_quant": f"{_TRANSFORMERS}::test_smooth_quant",
    "quant.smooth_quant_threshold": f"{_TRANSFORMERS}::test_smooth_quant_threshold",
    "quant.ln_scale_data_type": f"{_TRANSFORMERS}::test_ln_scale_data_type",
    "quant.transformer_opt_level": f"{_TRANSFORMERS}::test_transformer_opt_level",
    "quant.smooth_quant_strength": f"{_TRANSFORMERS}::test_smooth_quant_strength",
    "quant.enable_adaround": f"{_FINETUNE}::test_strategies",
    "quant.enable_lsq": f"{_FINETUNE}::test_strategies",
    "quant.enable_brecq": f"{_FINETUNE}::test_strategies",
    "quant.finetune_epochs": f"{_FINETUNE}::test_strategies",
    "quant.finetune_batch_size": f"{_FINETUNE}::test_strategies",
    "quant.finetune_block_size": f"{_FINETUNE}::test_block_size_and_learning_rate",
    "quant.finetune_lr": f"{_FINETUNE}::test_block_size_and_learning_rate",
    "quant.device": f"{_FINETUNE}::test_a_device_that_is_not_there",
    "quant.disable_quant_optimization": f"{_PRECISION}::test_disable_quant_optimization",
    "input_processors[].tensor_name":
        "e2e/test_bad_input.py::test_tensor_names_that_the_model_lacks",
    "input_processors[].tensor_format": f"{_DATA}::test_colours_mean_and_layout",
    "input_processors[].tensor_layout": f"{_DATA}::test_colours_mean_and_layout",
    "input_processors[].src_format": f"{_COLOR}::test_full_range_is_that_of_pillow",
    "input_processors[].src_layout": f"{_CLI}::test_the_compiled_model_has_the_runtime_interface",
    "input_processors[].src_dtype": f"{_OPTIONS}::test_src_dtype",
    "input_processors[].src_extra_shapes[].shape": f"{_BATCHES}::test_groups_of_sizes",
    "input_processors[].csc_mode": f"{_COLOR}::test_limited_range_is_that_of_opencv",
    "input_processors[].csc_mat": f"{_COLOR}::test_a_matrix_of_the_users_own",
    "input_processors[].mean": f"{_OPTIONS}::test_explicit_mean_and_std_embed_nothing",
    "input_processors[].std": f"{_OPTIONS}::test_explicit_mean_and_std_embed_nothing",
    "input_processors[].padding": f"{_OPTIONS}::test_slicing_and_padding",
    "input_processors[].padding_mode": f"{_OPTIONS}::test_slicing_and_padding",
    "input_processors[].padding_constant_value": f"{_OPTIONS}::test_slicing_and_padding",
    "input_processors[].slicing": f"{_OPTIONS}::test_slicing_and_padding",
    "output_processors[].tensor_name": f"{_OPTIONS}::test_output_axes",
    "output_processors[].tensor_layout": f"{_OPTIONS}::test_output_axes",
    "output_processors[].dst_perm": f"{_OPTIONS}::test_output_axes",
    "output_processors[].output_dtype": f"{_OPTIONS}::test_output_dtype",
    "const_processors[].name": f"{_OPTIONS}::test_op_and_const_processors",
    "const_processors[].data": f"{_OPTIONS}::test_op_and_const_processors",
    "const_processors[].data_path": f"{_OPTIONS}::test_op_and_const_processors",
    "op_processors[].op_name": f"{_OPTIONS}::test_op_and_const_processors",
    "op_processors[].attrs": f"{_OPTIONS}::test_op_and_const_processors",
    "quant_op_processors[].op_name": f"{_OPTIONS}::test_quant_op_processors",
    "quant_op_processors[].attrs": f"{_OPTIONS}::test_quant_op_processors",
    "quant.enable_easy_quant": f"{_DECIDE}::test_easy_quant_helps_where_greatest_numbers_mislead",
    "quant.disable_bias_correction": f"{_DECIDE}::test_bias_correction_and_how_to_turn_it_off",
    "compiler.static_batch_sizes":
        f"{_BATCHES}::test_static_batches_compute_the_same_and_share_weights",
    "compiler.max_dynamic_batch_size":
        f"{_BATCHES}::test_dynamic_batches_stop_where_they_do_not_pay",
    "compiler.disable_ir_fix": f"{_BATCHES}::test_disable_ir_fix_leaves_reshapes_alone",
    "compiler.check": f"{_CHECK}::test_every_level_finds_the_program_right",
    "compiler.npu_perf": f"{_OPTIONS}::test_npu_perf",
    "compiler.check_mode": f"{_CHECK}::test_inner_tensors",
    "compiler.check_rtol": f"{_CHECK}::test_levels",
    "compiler.check_atol": f"{_CHECK}::test_levels",
    "compiler.check_cosine_simularity": f"{_CHECK}::test_levels",
    "compiler.check_tensor_black_list": f"{_CHECK}::test_inner_tensors",
    "compiler.ddr_bw_limit":
        "e2e/test_ddr_limit.py::test_a_limit_of_bandwidth_changes_the_schedule",
    "compiler.enable_slice_mode":
        "e2e/test_slice_mode.py::test_slices_move_less_and_compute_the_same",
    "compiler.enable_tile_mode":
        "e2e/test_slice_mode.py::test_slices_move_less_and_compute_the_same",
    "compiler.enable_data_soft_compression": f"{_BATCHES}::test_soft_compression",
    "compiler.input_sample_dir": f"{_CHECK}::test_samples_of_the_users_own",
    "compiler.sub_configs[].start_tensor_names":
        f"{_SUB}::test_a_range_is_a_subgraph_with_options_of_its_own",
    "compiler.sub_configs[].end_tensor_names":
        f"{_SUB}::test_a_range_is_a_subgraph_with_options_of_its_own",
    "debug.dump_frontend_graph": f"{_OPTIONS}::test_dump_frontend_graph",
    "debug.dump_ir": f"{_CLI}::test_every_dumped_stage_continues_to_the_same_program",
}  # fmt: skip
"""By key of the build configuration; a subgraph's options are those of `compiler`."""

RUN_TESTS: dict[str, str] = {
    "model": f"{_RUN}::test_run_compares_all_kinds_of_models",
    "input_dir": f"{_RUN}::test_run_compares_all_kinds_of_models",
    "output_dir": f"{_RUN}::test_run_compares_all_kinds_of_models",
    "list": f"{_RUN}::test_run_compares_all_kinds_of_models",
    "random_input": f"{_RUN}::test_run_compares_all_kinds_of_models",
    "batch_size": f"{_BATCHES}::test_run_splits_a_batch",
    "enable_perlayer_output": f"{_RUN}::test_run_writes_inner_tensors",
    "mode": f"{_RUN}::test_inner_tensors_of_the_program",
    "target_hardware": f"{_RUN}::test_run_takes_the_target_and_a_configuration_file",
    "group_index": f"{_BATCHES}::test_groups_of_sizes",
}
