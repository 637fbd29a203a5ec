# The libraries of docs/architecture.md, each as dep::NAME.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(co_dependency name module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
  add_library(dep::${name} ALIAS PkgConfig::${name})
endfunction()

co_dependency(zmq "libzmq>=4.3.4")
co_dependency(msgpack "msgpack>=4.0.0")
co_dependency(hiredis "hiredis>=0.14")
co_dependency(jansson "jansson>=2.13")
co_dependency(yaml "yaml-0.1>=0.2.5")
co_dependency(zstd "libzstd>=1.5")
co_dependency(xxhash "libxxhash>=0.8")
co_dependency(zlib "zlib")
