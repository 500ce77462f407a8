"""Kernels as parts of a whole that is optimised once: a pipeline of numba's for them.

This rests on insides of numba; ``compiling.py`` uses it with the versions that it was tested with.
"""

from __future__ import annotations

from typing import Any

from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


class _PartLibrary(JITCodeLibrary):
    """The code of a kernel as it is, for the whole that it becomes a part of to optimise."""

    def add_llvm_module(self, ll_module: Any) -> None:
        """Take the code without optimising it."""
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def finalize(self) -> None:
        """Let the code stand in several wholes; make no machine code."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.external:
                function.linkage = Linkage.linkonce_odr
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        """The code with all that it calls, put together when a whole asks for it."""
        if self._shared_module is None:
            self._shared_module = self._final_module.clone()
            for library in self._called():
                is_part = isinstance(library, _PartLibrary)
                code = library._final_module if is_part else library._get_module_for_linking()
                self._shared_module.link_in(code, preserve=True)
        return self._shared_module

    def _called(self) -> list[Any]:
        """The libraries of what the kernel calls, of what that calls, and so on."""
        called: dict[Any, None] = {}
        waiting = list(self._linking_libraries)
        while waiting:
            library = waiting.pop()
            if library not in called:
                called[library] = None
                if isinstance(library, _PartLibrary):
                    waiting += library._linking_libraries
        return list(called)


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    _name = "matscale_part_lowering"

    def run_pass(self, state: Any) -> bool:
        """As numba's own, but without machine code and without a door for Python."""
        flags = state.flags
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        state.library = _PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        super().run_pass(state)
        result = state["cr"]
        # Numba knows what it has compiled by the function that Python would call: any will do.
        key: Any = [].append
        state.targetctx.insert_user_function(key, result.fndesc, [state.library])
        state.reload_init.extend(state.library._reload_init)
        state["cr"] = result._replace(cfunc=key)
        return True


class PartCompiler(CompilerBase):
    """Compiles a function as far as the whole that it becomes a part of needs it."""

    def define_pipelines(self) -> list[Any]:
        """Numba's steps, the last of them as above."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (_PartLowering if step is NativeLowering else step, said)
            for step, said in passes.passes
        ]
        return [passes]
