Code.require_file("cases.exs", __DIR__)
ExUnit.start()
