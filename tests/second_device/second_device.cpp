// A second device made of the processor's memory, for code that is meant for a GPU. Every operation computes
// on the processor's view of the same bytes, so that results can be compared; one that mixes tensors of both
// is refused as CUDA refuses it. What is kept back for CUDA itself (cuDNN, generators, fused recurrent
// layers) is not here.
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/extension.h>
#include <torch/library.h>

#include <set>
#include <string>
#include <vector>

namespace {
using at::Tensor;
constexpr auto KEY = c10::DispatchKey::PrivateUse1;

struct Memory final : at::Allocator {
  c10::DataPtr allocate(size_t n) override {
    void* p = n ? malloc(n) : nullptr;
    return {p, p, &free_it, c10::Device(c10::DeviceType::PrivateUse1, 0)};
  }
  static void free_it(void* p) { free(p); }
  c10::DeleterFnPtr raw_deleter() const override { return &free_it; }
  void copy_data(void* d, const void* s, std::size_t n) const override { default_copy_data(d, s, n); }
};
Memory allocator;
REGISTER_ALLOCATOR(c10::DeviceType::PrivateUse1, &allocator);

struct Guard final : public c10::impl::DeviceGuardImplInterface {
  static constexpr c10::DeviceType static_type = c10::DeviceType::PrivateUse1;
  Guard() = default;
  explicit Guard(c10::DeviceType) {}
  c10::DeviceType type() const override { return static_type; }
  c10::Device exchangeDevice(c10::Device d) const override { return c10::Device(static_type, 0); }
  c10::Device getDevice() const override { return c10::Device(static_type, 0); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, c10::Device(static_type, 0));
  }
  c10::Stream getNewStream(c10::Device, int) const override {
    return c10::Stream(c10::Stream::DEFAULT, c10::Device(static_type, 0));
  }
  c10::Stream exchangeStream(c10::Stream) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, c10::Device(static_type, 0));
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Hooks : public at::PrivateUse1HooksInterface {
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    return at::globalContext().defaultGenerator(at::kCPU);
  }
};

// The processor's view of a tensor here, over the same memory.
Tensor as_cpu(const Tensor& t) {
  auto storage = t.storage();
  auto held = new c10::Storage(storage);
  c10::Storage other(c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), storage.nbytes(),
      c10::DataPtr(
          storage.mutable_data(), held, [](void* p) { delete static_cast<c10::Storage*>(p); },
          c10::Device(c10::kCPU)),
      c10::GetAllocator(c10::kCPU), true));
  auto r = at::detail::make_tensor<c10::TensorImpl>(std::move(other),
                                                    c10::DispatchKeySet(c10::DispatchKey::CPU), t.dtype());
  r.unsafeGetTensorImpl()->set_sizes_and_strides(t.sizes(), t.strides(), t.storage_offset());
  if (t.is_conj()) r._set_conj(true);
  if (t.is_neg()) r._set_neg(true);
  return r;
}
Tensor wrap_storage(const c10::Storage& s, const Tensor& like) {
  auto r = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(s), c10::DispatchKeySet(KEY), like.dtype());
  r.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  return r;
}
Tensor from_cpu(const Tensor& t) {
  auto storage = t.storage();
  auto held = new c10::Storage(storage);
  c10::Storage other(c10::make_intrusive<c10::StorageImpl>(
      c10::StorageImpl::use_byte_size_t(), storage.nbytes(),
      c10::DataPtr(
          storage.mutable_data(), held, [](void* p) { delete static_cast<c10::Storage*>(p); },
          c10::Device(c10::DeviceType::PrivateUse1, 0)),
      &allocator, true));
  return wrap_storage(other, t);
}

struct Seen {
  std::vector<std::pair<Tensor, Tensor>>
      pairs;           // a tensor here, and the view of it that the processor computes on
  bool mixed = false;  // whether a tensor of the processor is among the arguments
};

Tensor into(const Tensor& t, Seen& seen) {
  if (!t.defined()) return t;
  if (!t.is_privateuseone()) {
    if (t.is_cpu() && t.dim() > 0) seen.mixed = true;
    return t;
  }
  for (auto& p : seen.pairs)
    if (p.first.is_same(t)) return p.second;
  auto there = as_cpu(t);
  seen.pairs.emplace_back(t, there);
  return there;
}
Tensor back(const Tensor& t, Seen& seen) {
  if (!t.defined()) return t;
  for (auto& p : seen.pairs)
    if (p.second.is_same(t)) return p.first;
  for (auto& p : seen.pairs)
    if (p.second.storage().unsafeGetStorageImpl() == t.storage().unsafeGetStorageImpl())
      return wrap_storage(p.first.storage(), t);
  return from_cpu(t);
}

const std::set<std::string>& may_mix() {
  static std::set<std::string> s{"aten::_copy_from", "aten::index.Tensor", "aten::index_put_",
                                 "aten::_index_put_impl_"};
  return s;
}

// Change a value of an operation if it is a tensor or a list of tensors.
template <class F>
void change(c10::IValue& v, F f) {
  if (v.isTensor()) {
    v = f(v.toTensor());
  } else if (v.isTensorList()) {
    c10::List<Tensor> changed;
    for (Tensor t : v.toTensorList()) changed.push_back(f(t));
    v = changed;
  } else if (v.isOptionalTensorList()) {
    c10::List<std::optional<Tensor>> changed;
    for (std::optional<Tensor> t : v.toOptionalTensorList())
      changed.push_back(t.has_value() ? std::optional<Tensor>(f(*t)) : t);
    v = changed;
  }
}

void fallback(const c10::OperatorHandle& op, c10::DispatchKeySet, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const auto n = schema.arguments().size();
  const auto begin = stack->size() - n;
  Seen seen;
  for (size_t i = 0; i < n; ++i) {
    auto& v = (*stack)[begin + i];
    change(v, [&](const Tensor& t) { return into(t, seen); });
    if (v.isDevice()) v = c10::Device(c10::kCPU);
  }
  // Indices may be the processor's, as for CUDA.
  TORCH_CHECK(!(seen.mixed && !seen.pairs.empty()) || may_mix().count(schema.name()) ||
                  may_mix().count(c10::toString(op.operator_name())),
              "tensors of the second device and of the processor meet in ",
              c10::toString(op.operator_name()));
  {
    c10::impl::ExcludeDispatchKeyGuard no(c10::DispatchKeySet(KEY));
    at::AutoDispatchBelowADInplaceOrView g;
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  }
  for (auto& p : seen.pairs) {
    const bool moved = p.second.storage().data() != p.first.storage().data();
    if (!moved && p.second.sizes().equals(p.first.sizes()) && p.second.strides().equals(p.first.strides()))
      continue;
    if (moved) p.first.unsafeGetTensorImpl()->set_storage_keep_dtype(from_cpu(p.second).storage());
    p.first.unsafeGetTensorImpl()->set_sizes_and_strides(p.second.sizes(), p.second.strides(),
                                                         p.second.storage_offset());
  }
  const auto m = schema.returns().size();
  const auto first = stack->size() - m;
  for (size_t i = 0; i < m; ++i) change((*stack)[first + i], [&](const Tensor& t) { return back(t, seen); });
}

Tensor empty(c10::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
             std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return from_cpu(at::empty(size, dtype, layout, at::kCPU, false, format));
}
Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                     std::optional<at::Layout> layout, std::optional<at::Device>, std::optional<bool>) {
  return from_cpu(at::empty_strided(size, stride, dtype, layout, at::kCPU, false));
}
Tensor copy_from(const Tensor& self, const Tensor& dst, bool) {
  auto a = self.is_privateuseone() ? as_cpu(self) : self;
  auto b = dst.is_privateuseone() ? as_cpu(dst) : dst;
  b.copy_(a);
  return dst;
}
Tensor copy_from_and_resize(const Tensor& self, const Tensor& dst) { return copy_from(self, dst, false); }
at::Scalar item(const Tensor& t) { return at::_local_scalar_dense(as_cpu(t)); }
Tensor& set_storage(Tensor& self, at::Storage s, int64_t offset, c10::IntArrayRef size,
                    c10::IntArrayRef stride) {
  self.unsafeGetTensorImpl()->set_storage_keep_dtype(s);
  self.unsafeGetTensorImpl()->set_sizes_and_strides(
      size, stride.size() ? stride : c10::IntArrayRef(at::detail::defaultStrides(size)), offset);
  return self;
}
Tensor& set_whole(Tensor& self, at::Storage s) {
  int64_t n = s.nbytes() / self.dtype().itemsize();
  return set_storage(self, s, 0, {n}, {1});
}
std::optional<Tensor> there(const std::optional<Tensor>& t) {
  return t.has_value() && t->defined() ? std::optional<Tensor>(as_cpu(*t)) : std::nullopt;
}
Tensor conv(const Tensor& x, const Tensor& w, const std::optional<Tensor>& b, c10::IntArrayRef s,
            c10::IntArrayRef p, c10::IntArrayRef d, bool t, c10::IntArrayRef o, int64_t g) {
  at::AutoDispatchBelowADInplaceOrView no;
  return from_cpu(at::convolution(as_cpu(x), as_cpu(w), there(b), s, p, d, t, o, g));
}
std::tuple<Tensor, Tensor, Tensor> conv_back(const Tensor& y, const Tensor& x, const Tensor& w,
                                             c10::IntArrayRef s, c10::IntArrayRef p, c10::IntArrayRef d,
                                             bool t, c10::IntArrayRef o, int64_t g, std::array<bool, 3> m) {
  at::AutoDispatchBelowADInplaceOrView no;
  auto [a, b, c] =
      at::convolution_backward(as_cpu(y), as_cpu(x), as_cpu(w),
                               at::OptionalIntArrayRef(w.size(t ? 1 : 0) * (t ? g : 1)), s, p, d, t, o, g, m);
  auto f = [](const Tensor& z) { return z.defined() ? from_cpu(z) : z; };
  return {f(a), f(b), f(c)};
}
}  // namespace

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>()); }
TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("_copy_from", &copy_from);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
  m.impl("_local_scalar_dense", &item);
  m.impl("set_.source_Storage_storage_offset", &set_storage);
  m.impl("set_.source_Storage", &set_whole);
  m.impl("convolution_overrideable", &conv);
  m.impl("convolution_backward_overrideable", &conv_back);
}
void begin() {
  static Hooks hooks;
  at::RegisterPrivateUse1HooksInterface(&hooks);
}
PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("begin", &begin); }
