defmodule SignTest do
  use ExUnit.Case, async: true

  alias Gatepass.{Json, Signer, SigningError}

  @public_url "https://files.example.net"
  @vectors Path.expand("../../../vectors/signing.json", __DIR__)

  defp signer, do: Signer.new!(key: "gp_test_key", public_url: @public_url)

  test "answers every case of the vectors" do
    %{"cases" => all} = @vectors |> File.read!() |> Json.parse!()

    for kind <- ["sign", "sign-refuse", "receipt"] do
      cases = Enum.filter(all, &(&1["kind"] == kind))
      assert length(cases) > 20
      for one <- cases, do: assert({one["id"], Cases.answer(one)} == {one["id"], Cases.expected(one)})
    end
  end

  test "refuses settings that are no key and no host" do
    urls = [
      nil,
      "",
      "files.example.net",
      "https://",
      @public_url <> "/folder",
      @public_url <> "?x=1",
      @public_url <> "\n"
    ]

    for {key, url} <- [{"", @public_url}, {nil, @public_url}] ++ Enum.map(urls, &{"k", &1}) do
      error = assert_raise SigningError, fn -> Signer.new!(key: key, public_url: url) end
      assert error.code == :settings_invalid
    end
  end

  test "refuses options that Elixir lets through" do
    for options <- [
          [maxsize: 10],
          [max_size: "10"],
          [max_size: 1.0],
          [expires_in: 0],
          [expires_in: 0.5],
          [expires_in: 60, expiry: 4_102_444_800],
          [expiry: "4102444800"],
          [type: ""],
          [type: []],
          [type: [7]],
          [type: "image/\xff"],
          [overwrite: "false"],
          [ref: 7],
          [ref: "\xff"],
          [meta: %{user: 7}],
          [meta: %{user: nil}],
          [meta: "x"]
        ] do
      assert {:error, %SigningError{code: :policy_malformed}} = Signer.sign_upload(signer(), "a.bin", options)
    end

    for path <- [nil, 7, "\xff.png"] do
      assert {:error, %SigningError{code: :path_invalid}} = Signer.sign_upload(signer(), path)
    end
  end

  test "the three kinds of URL, an hour by default" do
    calls = [put: &Signer.sign_upload/3, get: &Signer.sign_download/3, delete: &Signer.sign_delete/3]

    for {method, call} <- calls do
      soon = System.os_time(:second) + 3600
      {:ok, url} = call.(signer(), "a b.png", type: nil)
      form = ~r|\Ahttps://files\.example\.net/a%20b\.png\?expiry=(\d+)&method=#{method}&signature=[\w-]{43}\z|
      [_, expiry] = Regex.run(form, url)
      assert String.to_integer(expiry) in soon..(soon + 5)
    end

    {:ok, url} = Signer.sign_upload(signer(), "a", type: ["image/png", "image/*"])
    assert url =~ "&type=image/png,image/*&"
  end

  test "the key does not print" do
    refute inspect(signer()) =~ "gp_test_key"
  end

  test "reads JSON and nothing else" do
    assert Json.parse!(~S( {"a\u0041\n\ud83d\ude00": [1, -2.5e1, 1e2, true, null, {}], "b":[]} )) ==
             %{"aA\n😀" => [1, -25.0, 100.0, true, nil, %{}], "b" => []}

    wrong = [
      "",
      "{",
      "[1,]",
      ~S({"a"}),
      ~S({"a":1,}),
      "01",
      "+1",
      "1.",
      "\"\n\"",
      ~S("\x"),
      ~S("\u12g4"),
      ~S("\ud800"),
      "nul",
      "1 2"
    ]

    for text <- wrong ++ ["{a:1}", String.duplicate("[", 1000)],
        do: assert_raise(ArgumentError, fn -> Json.parse!(text) end)
  end
end
